//! Handlers that harm their own process.

use taskora_fault_tests::scenarios::handlers;
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_05_a_handler_keeps_its_worker_busy_for_three_leases() {
    handlers::busy(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_06_a_job_takes_its_process_with_it() {
    handlers::poison(seed(), 1).await.assert();
}
