//! Keywords as names.
#![deny(warnings, missing_docs)]

use taskora::prelude::*;

/// A task.
#[task]
pub async fn r#move(r#type: String, mut r#in: Vec<u8>, r#fn: &Context) -> u8 {
    let _ = (r#type, r#fn);
    r#in.pop().unwrap_or_default()
}

/// A contract.
#[derive(Task, Serialize, Deserialize)]
#[task(output = ())]
pub struct Match {
    /// A field.
    pub r#match: u8,
}

/// Its handler.
#[task(implements = Match)]
pub async fn r#match(r#match: u8) {
    let _ = r#match;
}

#[task]
async fn self_() {}

fn main() {
    assert_eq!((Move::NAME, Match::NAME, SelfTask::NAME), ("move", "match", "self"));
    let stored = serde_json::to_string(&Move { r#type: "t".into(), r#in: vec![] }).unwrap();
    assert_eq!(stored, r#"{"type":"t","in":[]}"#);
    let _ = |app: &App| app.dispatch(Move::s().r#in(vec![]).r#type("t"));
    let _ =
        |app: &App| Worker::builder(app).register::<Move>().register::<MatchHandler>().register::<SelfTask>();
}
