/// Sends an email.
pub async fn send_email(
    mailer: State<Mailer>,
    to: String,
) -> Result<Receipt, MailError> {
    todo!()
}
const _: fn() = || {
    #[allow(unused_imports, reason = "a `Result` has a method of its own")]
    use ::taskora::__private::OutputKind as _;
    ::taskora::__private::check_output(
        ::taskora::__private::OutputProbe::<Receipt>::new().kind(),
    );
};
#[automatically_derived]
impl ::taskora::__private::Task for SendEmail {
    type Output = <Result<
        Receipt,
        MailError,
    > as ::taskora::__private::TaskReturn>::Output;
    const NAME: &'static ::core::primitive::str = "send-email";
    const OPTIONS: ::taskora::__private::TaskOptions = ::taskora::__private::TaskOptions::new()
        .with_retry(::taskora::__private::RetryPolicy::attempts(3u32))
        .with_timeout(::core::time::Duration::new(30u64, 0u32));
    type Arguments = (String,);
    #[inline]
    #[allow(non_snake_case, reason = "named like type parameters")]
    fn from_arguments((__T0,): (String,)) -> Self {
        Self { to: __T0 }
    }
    fn read_arguments<R: ::taskora::__private::ReadArguments>(
        mut arguments: R,
    ) -> ::core::result::Result<Self, R::Error> {
        arguments.start(1usize)?;
        ::core::result::Result::Ok(Self {
            to: arguments.next::<String>()?,
        })
    }
}
::taskora::__private::runtime! {
    #[doc = "[`SendEmail`] with some of its arguments, see [`SendEmail::s`]."]
    #[derive(::core::fmt::Debug)] #[must_use =
    "a signature does nothing until it is dispatched"] #[allow(dead_code, reason =
    "generated for every task")] pub struct SendEmailSignature < __T0 > { to : __T0 }
    const _ : () = { #[allow(non_camel_case_types, reason = "named like the arguments")]
    mod __arguments { pub enum to {} } #[allow(dead_code, reason =
    "generated for every task")] impl SendEmail { #[doc =
    "Starts a signature of [`SendEmail`]: its arguments are set one by one, in any order."]
    #[inline] pub const fn s() -> SendEmailSignature < ::taskora::__private::Unset <
    __arguments::to > > { SendEmailSignature { to : ::taskora::__private::Unset::new() }
    } } #[allow(dead_code, clippy::all, clippy::pedantic, reason =
    "generated for every argument")] impl < __T0 > SendEmailSignature < __T0 > { #[doc =
    "Sets `to`."] pub fn to < __Given > (self, value : impl ::taskora::__private::Given <
    __arguments::to, String, __Given >,) -> SendEmailSignature < __Given > where __T0 :
    ::taskora::__private::Open < __arguments::to >, { SendEmailSignature { to :
    ::taskora::__private::Given::give(value) } } } #[automatically_derived] impl
    ::taskora::__private::Dispatchable for SendEmailSignature < ::taskora::__private::Set
    < __arguments::to, String > > { type Handle = < SendEmail as
    ::taskora::__private::Dispatchable > ::Handle; type Slot =
    ::taskora::__private::Bound; #[inline] fn __into_dispatch(self, setup : &
    ::taskora::__private::Setup) -> ::taskora::__private::Dispatch < Self::Handle > {
    ::taskora::__private::Dispatchable::__into_dispatch(SendEmail { to : self.to
    .into_value() }, setup) } } #[automatically_derived] impl < __T0 >
    ::taskora::__private::Step for SendEmailSignature < __T0 > where (__T0,) :
    ::taskora::__private::Partial < SendEmail >, { type Slot = < (__T0,) as
    ::taskora::__private::Partial < SendEmail >> ::Slot; type Out = < Result < Receipt,
    MailError > as ::taskora::__private::TaskReturn > ::Output; #[inline] fn
    into_plan(self) -> ::taskora::__private::Plan { < (__T0,) as
    ::taskora::__private::Partial < SendEmail >> ::into_plan((self.to,)) } } };
}
/// Sends an email.
#[derive(Debug)]
#[derive(
    ::taskora::__private::serde::Serialize,
    ::taskora::__private::serde::Deserialize
)]
#[serde(crate = "::taskora::__private::serde")]
pub struct SendEmail {
    ///The argument `to`.
    pub to: String,
}
#[automatically_derived]
impl<__S> ::taskora::__private::Handler<__S> for SendEmail
where
    __S: ::taskora::__private::WorkerState,
    Mailer: ::taskora::__private::FromRef<__S>,
{
    type Task = SendEmail;
    const OPTIONS: ::taskora::__private::HandlerOptions = ::taskora::__private::HandlerOptions::new(
        ::core::concat!(::core::file!(), ":", ::core::line!()),
    );
    async fn run(
        task: SendEmail,
        scope: ::taskora::__private::Scope<__S>,
    ) -> ::taskora::__private::Ran<SendEmail> {
        ::taskora::__private::finish(
            <Result<
                Receipt,
                MailError,
            > as ::taskora::__private::TaskReturn>::into_result(
                send_email(scope.state::<Mailer>(), task.to).await,
            ),
            |error| ::taskora::__private::Advice::new(
                match error {
                    MailError::RateLimited => true,
                    #[allow(
                        unreachable_patterns,
                        reason = "the pattern may match every error"
                    )]
                    _ => false,
                } && !false,
                ::core::option::Option::None,
            ),
        )
    }
}
