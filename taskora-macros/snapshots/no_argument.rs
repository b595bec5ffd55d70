async fn clean_up(ctx: &Context) {}
#[automatically_derived]
impl ::taskora::__private::Task for CleanUp {
    type Output = ();
    const NAME: &'static ::core::primitive::str = "clean-up";
    type Arguments = ();
    #[inline]
    #[allow(non_snake_case, reason = "named like type parameters")]
    fn from_arguments((): ()) -> Self {
        Self {}
    }
    fn read_arguments<R: ::taskora::__private::ReadArguments>(
        mut arguments: R,
    ) -> ::core::result::Result<Self, R::Error> {
        arguments.start(0usize)?;
        ::core::result::Result::Ok(Self {})
    }
}
::taskora::__private::runtime! {
    #[doc = "[`CleanUp`] with some of its arguments, see [`CleanUp::s`]."]
    #[derive(::core::fmt::Debug)] #[must_use =
    "a signature does nothing until it is dispatched"] #[allow(dead_code, reason =
    "generated for every task")] struct CleanUpSignature < > {} const _ : () = {
    #[allow(dead_code, reason = "generated for every task")] impl CleanUp { #[doc =
    "Starts a signature of [`CleanUp`]: its arguments are set one by one, in any order."]
    #[inline] pub const fn s() -> CleanUpSignature < > { CleanUpSignature {} } }
    #[automatically_derived] impl ::taskora::__private::Dispatchable for CleanUpSignature
    < > { type Handle = < CleanUp as ::taskora::__private::Dispatchable > ::Handle; type
    Slot = ::taskora::__private::Bound; #[inline] fn __into_dispatch(self, setup : &
    ::taskora::__private::Setup) -> ::taskora::__private::Dispatch < Self::Handle > {
    ::taskora::__private::Dispatchable::__into_dispatch(CleanUp {}, setup) } }
    #[automatically_derived] impl < > ::taskora::__private::Step for CleanUpSignature < >
    where () : ::taskora::__private::Partial < CleanUp >, { type Slot = < () as
    ::taskora::__private::Partial < CleanUp >> ::Slot; type Out = (); #[inline] fn
    into_plan(self) -> ::taskora::__private::Plan { < () as ::taskora::__private::Partial
    < CleanUp >> ::into_plan(()) } } };
}
///The arguments of the task `clean-up`.
struct CleanUp;
#[automatically_derived]
impl ::taskora::__private::serde::Serialize for CleanUp {
    fn serialize<S: ::taskora::__private::serde::Serializer>(
        &self,
        serializer: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::taskora::__private::no_arguments::serialize(serializer)
    }
}
#[automatically_derived]
impl<'de> ::taskora::__private::serde::Deserialize<'de> for CleanUp {
    fn deserialize<D: ::taskora::__private::serde::Deserializer<'de>>(
        deserializer: D,
    ) -> ::core::result::Result<Self, D::Error> {
        let () = ::taskora::__private::no_arguments::deserialize(deserializer)?;
        ::core::result::Result::Ok(Self)
    }
}
#[automatically_derived]
impl<__S> ::taskora::__private::Handler<__S> for CleanUp
where
    __S: ::taskora::__private::WorkerState,
{
    type Task = CleanUp;
    const OPTIONS: ::taskora::__private::HandlerOptions = ::taskora::__private::HandlerOptions::new(
            ::core::concat!(::core::file!(), ":", ::core::line!()),
        )
        .with_concurrency(1usize);
    async fn run(
        task: CleanUp,
        scope: ::taskora::__private::Scope<__S>,
    ) -> ::taskora::__private::Ran<CleanUp> {
        ::taskora::__private::finish(
            ::taskora::__private::succeed(clean_up(scope.context()).await),
            ::taskora::__private::no_advice,
        )
    }
}
