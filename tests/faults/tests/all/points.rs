//! Processes that are gone between two calls to Redis.

use taskora_fault_tests::scenarios::points;
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_02_processes_are_gone_at_every_point() {
    points::points(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_02_processes_are_gone_when_a_wait_for_work_is_given_up() {
    points::odd_points(seed(), 1).await.assert();
}
