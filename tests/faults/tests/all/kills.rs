//! Processes that are killed.

use taskora_fault_tests::scenarios::kills;
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_01_workers_are_killed_under_load() {
    kills::kills(seed(), 1).await.assert();
}
