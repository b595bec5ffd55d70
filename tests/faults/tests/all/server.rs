//! Servers that are killed and come back, or are full.

use taskora_fault_tests::scenarios::{memory, server};
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_12_the_server_is_killed_and_every_answer_was_on_disk() {
    server::crashed_always(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_12_the_server_is_killed_and_the_last_second_was_not_on_disk() {
    server::crashed_everysec(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_12_a_replica_takes_over() {
    server::failover(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_30_a_failover_has_lost_a_claim_and_its_worker_lives() {
    server::lost_claim(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_14_the_memory_limit_is_reached() {
    memory::full(seed(), 1).await.assert();
}
