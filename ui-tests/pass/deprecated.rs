//! What is made for a deprecated task does not warn of it; who uses it is warned.
#![deny(warnings)]

use taskora::prelude::*;

#[deprecated = "use `Deliver`"]
#[task(derive(Debug, Clone), aliases = ["post"], retry = 2)]
async fn send(ctx: &Context, to: String, subject: String) -> Result<String, TaskError> {
    let _ = (ctx, subject);
    Ok(to)
}

#[deprecated]
#[task(blocking)]
fn clean_up() {}

#[deprecated(since = "2.0.0", note = "use `Crop`")]
#[derive(Task, Serialize, Deserialize)]
#[task(output = u32)]
pub struct Resize {
    pub width: u32,
}

mod handlers {
    use taskora::prelude::*;

    #[deprecated]
    #[task(implements = super::Resize)]
    pub async fn resize(width: u32) -> u32 {
        width
    }
}

#[expect(deprecated, reason = "the contract warns")]
const _: fn() -> Resize = || Resize { width: 1 };

fn main() {
    #[expect(deprecated, reason = "the contract warns")]
    let _ = Send { to: String::new(), subject: String::new() };
    #[expect(deprecated, reason = "its signature begins with it")]
    let _ = Send::s().to("a").subject("b");
    #[expect(deprecated, reason = "the contract warns")]
    let _ = CleanUp;
    #[expect(deprecated, reason = "the handler warns")]
    let _ = |app: &App| Worker::builder(app).register::<handlers::ResizeHandler>();
}
