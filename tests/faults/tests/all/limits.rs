//! Keys and limits over all processes.

use taskora_fault_tests::scenarios::{gathers, lanes, limits, owners, rates};
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_19_keys_are_free_when_their_owners_have_ended_although_processes_die() {
    owners::killed_around_keys(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_20_a_limit_holds_while_workers_are_killed() {
    limits::killed_at_the_limit(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_20_limits_by_key_hold_while_workers_are_killed() {
    lanes::killed_among_keys(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_20_rates_hold_while_workers_are_killed() {
    rates::killed_among_rates(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_20_batches_are_whole_while_workers_are_killed() {
    gathers::killed_among_batches(seed(), 1).await.assert();
}
