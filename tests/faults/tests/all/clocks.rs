//! Clocks that are wrong.

use taskora_fault_tests::scenarios::clocks;
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_15_clocks_are_wrong_by_minutes() {
    clocks::clocks(seed(), 1).await.assert();
}
