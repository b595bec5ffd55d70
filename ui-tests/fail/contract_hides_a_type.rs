//! A contract has its function's name, and the function's signature may mean another type of that name.

use taskora::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct SendEmail {
    pub to: String,
}

#[task]
async fn send_email(email: SendEmail) -> bool {
    email.to.is_empty()
}

mod results {
    use taskora::prelude::*;

    #[task(name = "result")]
    async fn result(id: u32) -> Result<u32, String> {
        Ok(id)
    }
}

mod contexts {
    use taskora::prelude::*;

    #[task]
    async fn context(id: u32, ctx: &Context) -> u32 {
        ctx.attempt() + id
    }
}

fn main() {}
