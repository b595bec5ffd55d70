#![allow(unused)]

use taskora::prelude::*;

#[derive(Task, Serialize, Deserialize)]
#[task(output = u32)]
struct InsertRow {
    row: u32,
}

#[task(implements = InsertRow, batch)]
async fn insert_rows(rows: Vec<InsertRow>) -> u32 {
    0
}

#[derive(Task, Serialize, Deserialize)]
#[task(output = u32, collect(delay = "2s"))]
struct SendMail {
    to: String,
}

#[task(implements = SendMail)]
async fn send_mail(to: String) -> u32 {
    0
}

#[task(implements = SendMail, batch)]
async fn send_texts(texts: Vec<String>) -> u32 {
    0
}

#[task(implements = SendMail, batch)]
async fn send_with_another_output(mails: Vec<SendMail>) -> String {
    String::new()
}

fn look(app: App) {
    let _ = app.inspect().collected::<InsertRow>("orders");
}

fn main() {}
