//! The list of all checks, from which an adapter generates its tests.

/// One test for each check of an adapter, see [`conformance`](mod@crate::conformance).
#[macro_export]
macro_rules! conformance_suite {
    (#[$test:meta] $fixture:expr) => {
        $crate::conformance_suite! {
            @tests [$test] [$fixture]
            enqueue {
                s285_a_new_job_waits
                created_at_is_the_stores_time
                the_second_connection_sees_the_same_jobs
                a_job_that_is_known_already_is_left_as_it_is
                answers_come_in_the_order_of_the_jobs
                an_id_belongs_to_one_task
                of_jobs_that_are_alike_the_first_of_an_id_is_stored
                a_job_stays_known_after_it_has_ended
                a_job_that_is_active_is_known
                s288_a_delayed_job_is_delayed
                a_job_may_be_due_at_a_time
                a_delay_of_nothing_is_no_delay
                ids_may_be_any_text_of_up_to_200_bytes
                tasks_may_have_any_name
                a_payload_and_a_result_may_have_a_megabyte
                a_thousand_jobs_in_one_call_keep_their_order
                the_range_of_priorities_is_kept
                nothing_to_store_is_nothing
                an_unknown_job_is_unknown_everywhere
            }
            replacing {
                a_job_that_has_failed_is_replaced
                each_end_in_vain_can_be_replaced
                a_job_that_was_cancelled_in_the_line_is_replaced
                what_has_not_failed_is_not_replaced
                a_new_job_is_replaced_by_none_of_its_call
                a_lease_is_never_one_of_the_job_that_replaces_its_own
                whoever_waits_for_the_new_job_is_told_of_its_end
            }
            claims {
                s286_a_claim_hands_over_the_job
                s101_first_come_first_served_within_a_task
                first_come_first_served_across_tasks
                s100_higher_priority_goes_first
                s100_priority_goes_before_arrival_across_tasks
                order_holds_over_many_small_claims
                a_claim_takes_only_the_tasks_it_asks_for
                the_total_limit_is_kept
                there_is_more_only_of_what_may_be_claimed
                the_limit_of_each_task_is_kept
                a_claim_of_none_takes_none
                s004_a_delayed_job_is_not_claimed_before_it_is_due
                x19_jobs_that_are_due_together_go_in_due_order
                x19_due_order_holds_across_tasks
                jobs_due_at_the_same_time_go_by_id
                a_delayed_job_keeps_its_priority
                thousands_of_jobs_due_at_once_are_all_claimed_in_order
                two_workers_never_get_the_same_job
                a_repeated_call_answers_what_the_first_one_did
                calls_of_other_slots_and_workers_are_other_calls
            }
            settling {
                s287_a_completed_job_keeps_its_result
                s287_a_failed_job_keeps_its_error
                s287_a_retried_job_waits_for_its_backoff
                s287_a_released_job_waits_again_and_no_attempt_is_used_up
                a_released_job_may_rest_and_no_attempt_is_used_up
                attempts_count_and_the_end_forgets_older_errors
                a_retry_without_a_delay_goes_to_the_end
                released_jobs_go_before_others_the_last_one_first
                released_jobs_stay_within_their_priority
                a_released_job_goes_before_those_of_other_tasks
                winding_up_a_job_that_is_not_cancelled_is_a_release
                a_lease_settles_once
                twice_in_one_call_is_once
                a_token_that_is_not_the_newest_is_refused
                a_job_that_nobody_claimed_cannot_be_settled
                a_batch_settles_each_for_itself
                a_call_settles_first_and_claims_then
                any_connection_may_settle
                counts_know_each_state
            }
            leases {
                a_lease_holds_until_it_has_passed
                a_lost_lease_is_a_lost_right
                a_lease_is_never_one_of_a_later_job_with_its_id
                a_lease_of_a_node_is_never_one_of_a_later_workflow_with_its_id
                a_lease_that_has_passed_is_valid_until_it_is_taken_back
                renewing_extends_from_now
                a_renewal_may_shorten_or_lengthen_a_lease
                s289_renewals_say_what_became_of_each_lease
            }
            rescues {
                a_job_whose_lease_has_passed_is_taken_back
                s063_a_job_that_is_taken_back_too_often_fails
                s063_none_allowed_is_none
                rescues_and_attempts_are_counted_apart
                x01_a_job_that_has_ended_is_never_taken_back
                x02_a_retrying_job_is_never_taken_back
                a_flagged_job_whose_lease_has_passed_ends_as_cancelled
                a_sweep_is_for_the_given_tasks
                rescued_jobs_stay_within_their_priority
                jobs_that_one_sweep_takes_back_keep_their_order
                a_sweep_names_what_it_has_taken_back
                many_lost_leases_are_taken_back_in_bounded_steps
                a_sweep_makes_everything_ready_that_is_due
            }
            cancelling {
                s289_a_waiting_job_is_cancelled_at_once
                s053_a_delayed_job_is_cancelled_at_once
                a_retrying_job_is_cancelled_at_once
                s289_an_active_job_is_flagged_and_its_worker_told
                the_first_reason_stays
                x39_a_job_flagged_just_before_it_settles_ends_as_cancelled
                a_flag_goes_with_its_job
                s055_a_job_that_has_ended_cannot_be_cancelled
                s059_the_others_keep_their_order
                cancelling_all_that_waits_leaves_nothing
                a_cancelled_id_stays_taken
                a_job_that_came_back_can_be_cancelled
                cancellations_reach_every_connection
            }
            endings {
                a_wait_that_begins_before_the_end
                a_wait_that_begins_after_the_end
                a_wait_for_an_unknown_job_ends_at_once
                x06_all_who_wait_are_told
                a_wait_hears_of_a_failure
                s060_a_wait_hears_of_a_cancellation
                a_wait_hears_of_a_stall
                a_wait_goes_on_over_retries_and_rescues
                a_wait_that_was_given_up_harms_no_other
                a_hundred_waits_each_hear_of_their_own_job
                a_large_result_is_pushed_whole
                who_waits_is_told_even_if_nothing_is_kept
            }
            wakes {
                s295_a_wait_without_work_ends_at_its_timeout
                s296_a_parked_claim_wakes_on_enqueue
                s298_a_parked_claim_wakes_when_a_job_is_due
                a_job_that_is_delayed_while_all_sleep_is_claimed_when_due
                a_job_that_is_due_earlier_is_not_overslept
                a_parked_claim_wakes_when_a_backoff_has_passed
                a_parked_claim_wakes_for_what_comes_back
                a_sweep_wakes_for_what_it_has_taken_back
                a_sweep_wakes_for_a_due_job_that_nobody_looks_after
                s300_work_that_waits_already_is_found_at_once
                one_job_wakes_one_worker
                a_claim_that_leaves_jobs_wakes_the_next_worker
                a_claim_of_none_passes_the_signal_on
                a_wait_that_is_hurried_claims_at_once
                a_delayed_job_that_is_due_is_claimed_by_a_hurried_wait
                a_signal_outlives_a_wait_that_was_given_up
                a_call_that_comes_after_the_next_one_does_nothing
                a_signal_outlives_the_worker_that_waited
                a_wait_hears_only_of_its_own_tasks
                a_wait_hears_of_each_of_its_tasks
                a_settled_job_does_not_wake_anybody
                twenty_jobs_find_twenty_workers
            }
            notes {
                s293_progress_and_logs_are_kept
                s045_nothing_reported_is_nothing
                progress_replaces_and_lines_are_appended
                several_notes_of_one_job_in_one_call_keep_their_order
                the_newest_thousand_lines_are_kept
                x40_notes_without_a_valid_lease_are_refused
                notes_stay_over_attempts_and_after_the_end
            }
            retention {
                the_newest_completed_jobs_are_kept_by_count
                the_newest_failed_jobs_are_kept_by_count
                each_task_has_its_own_count
                a_few_more_than_the_number_are_not_worth_a_removal
                jobs_with_ids_of_the_callers_own_go_by_age_alone
                completed_jobs_go_by_age
                failed_and_cancelled_jobs_go_by_age
                cancelled_jobs_go_by_count
                many_old_jobs_go_in_bounded_steps
                trimming_leaves_nothing_of_a_job
                a_job_cancelled_in_the_line_can_be_trimmed_and_dispatched_again
            }
            expiry {
                s071_a_job_that_is_not_started_in_time_expires
                s073_a_job_that_is_started_in_time_does_not_expire
                a_sweep_expires_what_nobody_claims
                the_deadline_of_a_delayed_job_runs_from_when_it_is_due
                a_retry_that_would_be_too_late_fails_the_job
                what_comes_back_too_late_expires
                s074_nothing_is_kept_of_a_discarded_job
                an_expired_job_can_be_replaced_and_cancelled_no_more
                many_expired_jobs_go_in_bounded_steps
                x14_a_node_that_expires_ends_its_workflow
                a_node_comes_back_with_its_deadline
                each_state_with_a_deadline_is_sound
            }
            throttling {
                s086_a_key_lets_so_many_through
                x25_the_window_slides
                what_is_throttled_does_not_count
                s089_keys_and_tasks_do_not_mind_each_other
                what_was_let_through_is_used_up
                an_id_is_looked_at_before_its_throttled_key
                a_job_that_is_let_through_is_like_any_other
                of_many_callers_at_once_as_many_get_through
            }
            deduplicating {
                s093_a_key_has_one_unfinished_job
                x23_an_unfinished_job_keeps_its_key
                s095_s098_each_end_frees_the_key
                x23_an_older_job_frees_nothing_of_a_later_owner
                a_released_key_is_free
                an_id_is_looked_at_before_its_key
                trimming_touches_no_key
                a_job_that_waits_is_replaced_in_its_place
                a_delayed_job_is_replaced_and_keeps_its_time
                a_replacement_brings_its_own_ttl
                a_job_that_was_claimed_is_not_replaced
            }
            following {
                the_newest_runs_after_the_one_that_runs
                a_settled_owner_hands_over_in_the_same_call
                whatever_ends_the_owner_lets_the_next_one_run
                an_owner_that_comes_back_goes_first
                an_owner_that_runs_is_told_to_stop
                a_job_behind_another_can_be_cancelled
                a_job_behind_another_expires
                a_job_behind_another_keeps_its_priority
                a_delayed_owner_is_replaced_and_not_followed
                a_key_that_was_released_keeps_the_order
            }
            debouncing {
                s083_the_last_of_many_runs
                s085_each_key_has_its_own_job
                constant_traffic_postpones_it_up_to_max_wait
                x24_a_due_job_that_nobody_started_keeps_its_time
                x24_a_job_that_is_ready_is_left_alone
                each_end_frees_a_debounced_key
                a_ttl_moves_with_the_due_time
                a_worker_that_sleeps_wakes_for_a_postponed_job
                thousands_of_keys_are_kept_apart
            }
            idempotency {
                a_key_stands_for_its_job_longer_than_the_job_is_kept
                a_key_of_another_payload_is_reused
                each_end_in_vain_frees_the_key_unless_it_is_kept
                an_id_is_looked_at_before_its_idempotency_key
                a_key_stands_for_a_workflow
                a_workflow_that_ends_in_vain_frees_its_key_unless_it_is_kept
                a_large_workflow_has_a_key_too
            }
            workflow_steps {
                s144_a_node_is_claimed_like_a_job_and_says_what_it_is
                s134_the_steps_of_a_chain_follow_each_other
                what_is_released_can_be_claimed_by_the_same_call
                s136_a_group_has_completed_when_all_have
                results_are_there_once_a_node_has_completed
                s137_a_callback_runs_once_after_its_header
                joins_may_share_nodes_and_have_many_children
                starting_twice_is_starting_once
                a_record_says_what_is_known_of_each_node
                a_record_says_how_often_the_worker_of_a_node_died
                a_delayed_workflow_delays_its_roots
                a_delayed_node_is_due_later
                a_released_node_wakes_a_worker
                a_workflow_goes_on_over_retries_releases_and_rescues
                x13_a_repeated_settlement_advances_once
                workflows_do_not_mind_each_other
            }
            workflow_ends {
                s148_a_workflow_of_nothing_has_completed
                an_unknown_workflow_is_unknown_everywhere
                x11_cancelling_a_workflow_reaches_all_nodes
                x12_a_failed_node_fails_its_workflow
                x10_a_chain_whose_first_step_fails_has_failed
                what_is_settled_together_with_a_failure_ends
                x14_a_node_that_stalls_out_fails_its_workflow
                x14_a_node_that_is_cancelled_alone_cancels_its_workflow
                x16_a_deadline_is_kept_by_the_store
                an_idle_worker_wakes_for_a_deadline
                whoever_awaits_a_workflow_has_it_end_at_its_deadline
                a_claim_of_any_task_ends_what_is_late
                nothing_of_an_expired_workflow_is_handed_out
                a_workflow_that_ended_in_time_stays_as_it_is
                x06_all_who_wait_for_a_workflow_are_told
                a_flag_of_a_node_goes_with_a_lost_lease
            }
            workflow_retention {
                a_large_group_completes_and_is_released_whole
                a_claim_says_that_there_is_more_to_release
                a_large_workflow_is_cancelled_in_bounded_steps
                nodes_are_kept_with_their_workflow_and_not_counted
                the_newest_workflows_are_kept_by_count
                settling_trims_workflows_by_count
                old_workflows_go_by_age_with_all_their_nodes
                a_workflow_with_a_running_node_is_not_trimmed
            }
            upkeep {
                an_empty_store_is_sound
                a_check_counts_jobs_and_workflows
                each_state_is_sound
                each_step_of_a_workflow_is_sound
                what_is_under_way_is_no_damage
                a_repair_of_what_is_sound_does_nothing
                nothing_is_left_of_what_was_trimmed
            }
        }
    };
    (@schedules #[$test:meta] $fixture:expr) => {
        $crate::conformance_suite! {
            @tests [$test] [$fixture]
            schedules {
                a_schedule_is_kept_as_it_is_put
                s129_schedules_are_listed_by_name
                a_put_that_expects_something_else_changes_nothing
                s292_a_paused_schedule_does_not_tick
                x28_declaring_again_keeps_next_last_and_pause
                what_nobody_declares_does_not_tick
                what_nobody_declares_goes_after_seven_days
                s131_a_removed_schedule_is_gone
                s132_a_trigger_runs_now
                nothing_to_do_is_nothing
            }
            ticks {
                a_schedule_is_due_at_its_time
                what_is_due_is_handed_out_to_one_at_a_time
                many_that_are_due_go_page_by_page
                a_tick_happens_once
                a_tick_of_something_else_is_refused
                a_tick_whose_job_is_known_stores_it_no_second_time
                the_job_of_a_tick_says_what_it_is
                a_tick_wakes_a_worker
                several_runs_of_one_tick_are_stored_in_order
                a_tick_may_run_nothing
                x31_a_tick_is_skipped_while_the_last_run_has_not_ended
                a_claim_is_told_when_the_next_tick_is
                a_schedule_that_comes_earlier_wakes_a_worker
                a_sweep_says_that_a_tick_is_late
                a_worker_that_leaves_passes_its_tick_on
            }
        }
    };
    (@tests $test:tt $fixture:tt $($module:ident { $($check:ident)* })*) => {
        $($crate::conformance_suite! { @module $test $fixture $module $($check)* })*
    };
    (@module [$test:meta] [$fixture:expr] $module:ident $($check:ident)*) => {
        mod $module {
            use super::*;

            $(
                #[$test]
                async fn $check() {
                    let fixture = $fixture;
                    $crate::conformance::$module::$check(&fixture).await;
                    $crate::conformance::assert_sound(&fixture).await;
                }
            )*
        }
    };
}

#[cfg(test)]
mod tests {
    /// A check that is not in the list above would never run.
    #[test]
    fn every_check_is_in_the_suite() {
        let suite = include_str!("suite.rs");
        let checks = [
            ("enqueue", include_str!("enqueue.rs")),
            ("replacing", include_str!("replacing.rs")),
            ("claims", include_str!("claims.rs")),
            ("settling", include_str!("settling.rs")),
            ("leases", include_str!("leases.rs")),
            ("rescues", include_str!("rescues.rs")),
            ("cancelling", include_str!("cancelling.rs")),
            ("endings", include_str!("endings.rs")),
            ("wakes", include_str!("wakes.rs")),
            ("notes", include_str!("notes.rs")),
            ("retention", include_str!("retention.rs")),
            ("expiry", include_str!("expiry.rs")),
            ("throttling", include_str!("throttling.rs")),
            ("deduplicating", include_str!("deduplicating.rs")),
            ("following", include_str!("following.rs")),
            ("debouncing", include_str!("debouncing.rs")),
            ("idempotency", include_str!("idempotency.rs")),
            ("schedules", include_str!("schedules.rs")),
            ("ticks", include_str!("ticks.rs")),
            ("workflow_steps", include_str!("workflow_steps.rs")),
            ("workflow_ends", include_str!("workflow_ends.rs")),
            ("workflow_retention", include_str!("workflow_retention.rs")),
            ("upkeep", include_str!("upkeep.rs")),
        ];
        for (module, source) in checks {
            let list = suite.split_once(&format!("            {module} {{\n")).expect(module).1;
            let list: Vec<&str> = list.lines().map(str::trim).take_while(|line| *line != "}").collect();
            let written: Vec<&str> = source
                .lines()
                .filter_map(|line| Some(line.strip_prefix("pub async fn ")?.split_once('(')?.0))
                .collect();
            assert_eq!(list, written, "the checks of {module}.rs");
        }
    }
}
