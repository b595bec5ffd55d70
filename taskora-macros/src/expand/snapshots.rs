//! Whole expansions, compared with the files in `snapshots/`. `TASKORA_BLESS=1` writes the files anew.

use std::path::Path;

use proc_macro2::TokenStream;

fn compare(name: &str, options: &str, item: &str) {
    let expansion: TokenStream = super::function(options.parse().unwrap(), item.parse().unwrap());
    let expansion = prettyplease::unparse(&syn::parse2(expansion).unwrap());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("snapshots/{name}.rs"));
    if std::env::var_os("TASKORA_BLESS").is_some() {
        std::fs::write(&file, &expansion).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = expansion.lines().zip(expected.lines()).position(|(now, before)| now != before);
    let at = differs.unwrap_or(expected.lines().count().min(expansion.lines().count()));
    assert!(
        expansion == expected,
        "the expansion differs from {} at line {}: `{}`; `TASKORA_BLESS=1` writes the file anew",
        file.display(),
        at + 1,
        expansion.lines().nth(at).unwrap_or_default(),
    );
}

#[test]
fn no_argument() {
    compare("no_argument", "concurrency = 1", "async fn clean_up(ctx: &Context) {}");
}

#[test]
fn one_argument() {
    compare(
        "one_argument",
        "retry(attempts = 3, on = MailError::RateLimited), timeout = \"30s\", derive(Debug)",
        "/// Sends an email.
        pub async fn send_email(mailer: State<Mailer>, to: String) -> Result<Receipt, MailError> { todo!() }",
    );
}

#[test]
fn twelve_arguments() {
    compare(
        "twelve_arguments",
        "blocking",
        "pub(crate) fn add(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8) -> u8 { 0 }",
    );
}

#[test]
fn implements() {
    compare(
        "implements",
        "implements = contracts::Resize, on_cancel = clean_up",
        "async fn resize(ctx: Context, image: Image, width: u32) -> Result<Image, Error> { todo!() }",
    );
}

#[test]
fn schedules() {
    compare(
        "schedules",
        "schedule(every = \"5m\", with(tenant = 7)), schedule(name = \"nightly\", cron = \"0 3 * * *\", tz = \"Europe/Berlin\", with(tenant = 8), on_missed = catch_up(3))",
        "async fn report(tenant: u32) {}",
    );
}
