//! Limits over all processes.

use taskora_fault_tests::scenarios::limits;
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_20_a_limit_holds_while_workers_are_killed() {
    limits::killed_at_the_limit(seed(), 1).await.assert();
}
