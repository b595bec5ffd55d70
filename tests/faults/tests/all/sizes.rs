//! Very many jobs, and very large ones.

use taskora_fault_tests::scenarios::sizes;
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_21_very_many_jobs_and_very_large_ones() {
    sizes::sizes(seed(), 1).await.assert();
}
