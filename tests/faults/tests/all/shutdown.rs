//! Workers that are told to stop.

use taskora_fault_tests::scenarios::shutdown;
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_03_jobs_longer_than_the_grace_are_handed_back() {
    shutdown::grace(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_03_a_worker_is_killed_while_it_drains() {
    shutdown::killed_in_the_drain(seed(), 1).await.assert();
}
