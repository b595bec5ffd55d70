//! A store that is damaged while everybody works.

use taskora_fault_tests::scenarios::damage;
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_27_entries_are_damaged_and_repaired() {
    damage::damaged(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_28_scripts_fail_at_one_of_their_writes() {
    damage::script_errors(seed(), 1).await.assert();
}
