//! Processes of two versions.

use taskora_fault_tests::scenarios::{newer, versions};
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_25_two_versions_work_side_by_side() {
    versions::versions(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_25_a_foreign_namespace_is_refused() {
    versions::refused(seed(), 1).await.assert();
}

#[tokio::test]
async fn fault_32_jobs_of_a_later_version_wait_while_workers_are_killed() {
    newer::newer(seed(), 1).await.assert();
}
