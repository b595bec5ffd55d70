//! What stands on a function holds for its contract.
#![deny(warnings, missing_docs, unreachable_pub)]

pub mod tasks {
    //! Tasks.

    use taskora::prelude::*;

    /// Sends.
    ///
    /// Documented in several lines.
    #[task]
    #[cfg(all())]
    pub async fn send(
        /// Whom to.
        to: String,
        subject: String,
    ) {
        let _ = (to, subject);
    }

    #[cfg(any())]
    #[task]
    pub async fn never_there(_nowhere: Nowhere) {}

    /// Also absent, with the attributes the other way round.
    #[task(retry(attempts = 2, on = Nowhere), on_cancel = nowhere)]
    #[cfg(any())]
    pub async fn also_never_there(_nowhere: Nowhere, _state: State<Nowhere>) -> Result<(), Nowhere> {}

    /// Absent for want of arguments.
    #[task]
    #[cfg(any())]
    pub async fn absent() {}

    /// Absent handler.
    #[task(implements = Nowhere)]
    #[cfg(any())]
    pub async fn absent_too(_nowhere: Nowhere) {}

    #[task]
    pub(crate) async fn inner() {}

    #[task]
    pub(super) async fn outer(_n: u8) {}

    #[task]
    async fn private(_n: u8) {}

    #[allow(clippy::unused_async, reason = "other attributes stay with the function")]
    #[task]
    #[inline]
    pub(in crate::tasks) async fn deep() {}

    pub(crate) fn registered(app: &App) {
        let _ = Worker::builder(app).register::<Private>().register::<Deep>();
    }
}

struct NeverThere;
struct AlsoNeverThere;

fn main() {
    let _ = (NeverThere, AlsoNeverThere);
    let _: fn(&taskora::App) = tasks::registered;
    let _ = tasks::Send { to: String::new(), subject: String::new() };
    let _ = (tasks::Inner, tasks::Outer { _n: 1 });
}
