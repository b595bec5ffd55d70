//! Workers that are away and come back.

use taskora_fault_tests::scenarios::displaced;
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_04_a_worker_is_frozen_for_three_leases() {
    displaced::frozen(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_13_a_worker_is_cut_off_for_two_leases() {
    displaced::cut_off(seed(), 1).await.assert();
}
