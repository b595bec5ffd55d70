//! A large chord.

use taskora_fault_tests::scenarios::chord;
use taskora_fault_tests::seed;

#[tokio::test]
async fn fault_16_a_chord_of_ten_thousand_meets_kills_and_lost_answers() {
    chord::chord(seed(), 1).await.assert();
}
