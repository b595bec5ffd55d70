//! Schedules, while whoever makes their ticks is harmed.

use taskora_fault_tests::scenarios::schedules;
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_23_whoever_is_told_of_ticks_is_gone_or_cut_off() {
    schedules::schedules(seed(), 1).await.assert();
}
