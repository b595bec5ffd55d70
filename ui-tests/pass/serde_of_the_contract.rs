//! Attributes of serde on the contract that `#[task]` writes.

use taskora::prelude::*;

#[task(serde(rename_all = "camelCase", deny_unknown_fields), derive(Debug, PartialEq))]
async fn send_email(to_address: String, #[serde(default)] is_urgent: bool) -> bool {
    !to_address.is_empty() && is_urgent
}

fn main() {
    let written = serde_json::to_string(&SendEmail { to_address: "a@b.com".into(), is_urgent: true }).unwrap();
    assert_eq!(written, r#"{"toAddress":"a@b.com","isUrgent":true}"#);
    let read: SendEmail = serde_json::from_str(r#"{"toAddress":"a@b.com"}"#).unwrap();
    assert_eq!(read, SendEmail { to_address: "a@b.com".into(), is_urgent: false });
    assert!(serde_json::from_str::<SendEmail>(r#"{"to_address":"a@b.com"}"#).is_err());
}
