async fn resize(ctx: Context, image: Image, width: u32) -> Result<Image, Error> {
    todo!()
}
///Runs the jobs of `Resize` with `resize`; registered as `.register::<ResizeHandler>()`.
#[derive(::core::fmt::Debug)]
#[allow(dead_code, reason = "only its type is used")]
struct ResizeHandler;
const _: fn() = || {
    #[allow(unused_imports, reason = "a contract that collects has a method of its own")]
    use ::taskora::__private::CollectsKind as _;
    let probe = ::taskora::__private::CollectsProbe::<contracts::Resize>::new();
    ::taskora::__private::check_one_by_one(&probe, probe.kind());
};
#[automatically_derived]
impl<__S> ::taskora::__private::Handler<__S> for ResizeHandler
where
    __S: ::taskora::__private::WorkerState,
{
    type Task = contracts::Resize;
    const OPTIONS: ::taskora::__private::HandlerOptions = ::taskora::__private::HandlerOptions::new(
            ::core::concat!(::core::file!(), ":", ::core::line!()),
        )
        .with_on_cancel();
    async fn run(
        task: contracts::Resize,
        scope: ::taskora::__private::Scope<__S>,
    ) -> ::taskora::__private::Ran<contracts::Resize> {
        let contracts::Resize { image: a1, width: a2 } = task;
        let a1: Image = a1;
        let a2: u32 = a2;
        let output = ::taskora::__private::finish(
            <Result<
                Image,
                Error,
            > as ::taskora::__private::TaskReturn>::into_result(
                resize(::core::clone::Clone::clone(scope.context()), a1, a2).await,
            ),
            ::taskora::__private::no_advice,
        )?;
        ::core::result::Result::Ok(output)
    }
    async fn on_cancel(
        task: contracts::Resize,
        scope: ::taskora::__private::Scope<__S>,
    ) {
        ::taskora::__private::CancelHook::<
            __S,
            contracts::Resize,
            _,
        >::call(clean_up, task, scope)
            .await
    }
}
