async fn report(tenant: u32) {}
#[automatically_derived]
impl ::taskora::__private::Task for Report {
    type Output = ();
    const NAME: &'static ::core::primitive::str = "report";
    type Arguments = (u32,);
    #[inline]
    #[allow(non_snake_case, reason = "named like type parameters")]
    fn from_arguments((__T0,): (u32,)) -> Self {
        Self { tenant: __T0 }
    }
    fn read_arguments<R: ::taskora::__private::ReadArguments>(
        mut arguments: R,
    ) -> ::core::result::Result<Self, R::Error> {
        arguments.start(1usize)?;
        ::core::result::Result::Ok(Self {
            tenant: arguments.next::<u32>()?,
        })
    }
}
::taskora::__private::runtime! {
    #[doc = "[`Report`] with some of its arguments, see [`Report::s`]."]
    #[derive(::core::fmt::Debug)] #[must_use =
    "a signature does nothing until it is dispatched"] #[allow(dead_code, reason =
    "generated for every task")] struct ReportSignature < __T0 > { tenant : __T0 } const
    _ : () = { #[allow(non_camel_case_types, reason = "named like the arguments")] mod
    __arguments { pub enum tenant {} } #[allow(dead_code, reason =
    "generated for every task")] impl Report { #[doc =
    "Starts a signature of [`Report`]: its arguments are set one by one, in any order."]
    #[inline] pub const fn s() -> ReportSignature < ::taskora::__private::Unset <
    __arguments::tenant > > { ReportSignature { tenant :
    ::taskora::__private::Unset::new() } } } #[allow(dead_code, clippy::all,
    clippy::pedantic, reason = "generated for every argument")] impl < __T0 >
    ReportSignature < __T0 > { #[doc = "Sets `tenant`."] pub fn tenant < __Given > (self,
    value : impl ::taskora::__private::Given < __arguments::tenant, u32, __Given >,) ->
    ReportSignature < __Given > where __T0 : ::taskora::__private::Open <
    __arguments::tenant >, { ReportSignature { tenant :
    ::taskora::__private::Given::give(value) } } } #[automatically_derived] impl
    ::taskora::__private::Dispatchable for ReportSignature < ::taskora::__private::Set <
    __arguments::tenant, u32 > > { type Handle = < Report as
    ::taskora::__private::Dispatchable > ::Handle; type Slot =
    ::taskora::__private::Bound; #[inline] fn __into_dispatch(self, setup : &
    ::taskora::__private::Setup) -> ::taskora::__private::Dispatch < Self::Handle > {
    ::taskora::__private::Dispatchable::__into_dispatch(Report { tenant : self.tenant
    .into_value() }, setup) } } #[automatically_derived] impl < __T0 >
    ::taskora::__private::Step for ReportSignature < __T0 > where (__T0,) :
    ::taskora::__private::Partial < Report >, { type Slot = < (__T0,) as
    ::taskora::__private::Partial < Report >> ::Slot; type Out = (); #[inline] fn
    into_plan(self) -> ::taskora::__private::Plan { < (__T0,) as
    ::taskora::__private::Partial < Report >> ::into_plan((self.tenant,)) } } };
}
///The arguments of the task `report`.
#[derive(
    ::taskora::__private::serde::Serialize,
    ::taskora::__private::serde::Deserialize
)]
#[serde(crate = "::taskora::__private::serde")]
struct Report {
    ///The argument `tenant`.
    pub tenant: u32,
}
#[automatically_derived]
impl<__S> ::taskora::__private::Handler<__S> for Report
where
    __S: ::taskora::__private::WorkerState,
{
    type Task = Report;
    const OPTIONS: ::taskora::__private::HandlerOptions = ::taskora::__private::HandlerOptions::new(
            ::core::concat!(::core::file!(), ":", ::core::line!()),
        )
        .with_schedules(|| ::core::result::Result::Ok(
            ::std::vec![
                ::taskora::__private::Schedule::new(< Report as
                ::taskora::__private::Task > ::NAME)
                .every(::core::time::Duration::new(300u64, 0u32)) ? .run(Report { tenant
                : 7, }), ::taskora::__private::Schedule::new("nightly").cron("0 3 * * *")
                ? .tz("Europe/Berlin") ?
                .on_missed(::taskora::__private::OnMissed::CatchUpNewest(3u32))
                .run(Report { tenant : 8, })
            ],
        ));
    async fn run(
        task: Report,
        scope: ::taskora::__private::Scope<__S>,
    ) -> ::taskora::__private::Ran<Report> {
        ::taskora::__private::finish(
            ::taskora::__private::succeed(report(task.tenant).await),
            ::taskora::__private::no_advice,
        )
    }
}
