pub(crate) fn add(
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
    h: u8,
    i: u8,
    j: u8,
    k: u8,
    l: u8,
) -> u8 {
    0
}
#[automatically_derived]
impl ::taskora::__private::Task for Add {
    type Output = u8;
    const NAME: &'static ::core::primitive::str = "add";
    type Arguments = (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);
    #[inline]
    #[allow(non_snake_case, reason = "named like type parameters")]
    fn from_arguments(
        (
            __T0,
            __T1,
            __T2,
            __T3,
            __T4,
            __T5,
            __T6,
            __T7,
            __T8,
            __T9,
            __T10,
            __T11,
        ): (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8),
    ) -> Self {
        Self {
            a: __T0,
            b: __T1,
            c: __T2,
            d: __T3,
            e: __T4,
            f: __T5,
            g: __T6,
            h: __T7,
            i: __T8,
            j: __T9,
            k: __T10,
            l: __T11,
        }
    }
    fn read_arguments<R: ::taskora::__private::ReadArguments>(
        mut arguments: R,
    ) -> ::core::result::Result<Self, R::Error> {
        arguments.start(12usize)?;
        ::core::result::Result::Ok(Self {
            a: arguments.next::<u8>()?,
            b: arguments.next::<u8>()?,
            c: arguments.next::<u8>()?,
            d: arguments.next::<u8>()?,
            e: arguments.next::<u8>()?,
            f: arguments.next::<u8>()?,
            g: arguments.next::<u8>()?,
            h: arguments.next::<u8>()?,
            i: arguments.next::<u8>()?,
            j: arguments.next::<u8>()?,
            k: arguments.next::<u8>()?,
            l: arguments.next::<u8>()?,
        })
    }
}
::taskora::__private::runtime! {
    #[doc = "[`Add`] with some of its arguments, see [`Add::s`]."]
    #[derive(::core::fmt::Debug)] #[must_use =
    "a signature does nothing until it is dispatched"] #[allow(dead_code, reason =
    "generated for every task")] pub (crate) struct AddSignature < __T0, __T1, __T2,
    __T3, __T4, __T5, __T6, __T7, __T8, __T9, __T10, __T11 > { a : __T0, b : __T1, c :
    __T2, d : __T3, e : __T4, f : __T5, g : __T6, h : __T7, i : __T8, j : __T9, k :
    __T10, l : __T11 } const _ : () = { #[allow(non_camel_case_types, reason =
    "named like the arguments")] mod __arguments { pub enum a {} pub enum b {} pub enum c
    {} pub enum d {} pub enum e {} pub enum f {} pub enum g {} pub enum h {} pub enum i
    {} pub enum j {} pub enum k {} pub enum l {} } #[allow(dead_code, reason =
    "generated for every task")] impl Add { #[doc =
    "Starts a signature of [`Add`]: its arguments are set one by one, in any order."]
    #[inline] pub const fn s() -> AddSignature < ::taskora::__private::Unset <
    __arguments::a >, ::taskora::__private::Unset < __arguments::b >,
    ::taskora::__private::Unset < __arguments::c >, ::taskora::__private::Unset <
    __arguments::d >, ::taskora::__private::Unset < __arguments::e >,
    ::taskora::__private::Unset < __arguments::f >, ::taskora::__private::Unset <
    __arguments::g >, ::taskora::__private::Unset < __arguments::h >,
    ::taskora::__private::Unset < __arguments::i >, ::taskora::__private::Unset <
    __arguments::j >, ::taskora::__private::Unset < __arguments::k >,
    ::taskora::__private::Unset < __arguments::l > > { AddSignature { a :
    ::taskora::__private::Unset::new(), b : ::taskora::__private::Unset::new(), c :
    ::taskora::__private::Unset::new(), d : ::taskora::__private::Unset::new(), e :
    ::taskora::__private::Unset::new(), f : ::taskora::__private::Unset::new(), g :
    ::taskora::__private::Unset::new(), h : ::taskora::__private::Unset::new(), i :
    ::taskora::__private::Unset::new(), j : ::taskora::__private::Unset::new(), k :
    ::taskora::__private::Unset::new(), l : ::taskora::__private::Unset::new() } } }
    #[allow(dead_code, clippy::all, clippy::pedantic, reason =
    "generated for every argument")] impl < __T0, __T1, __T2, __T3, __T4, __T5, __T6,
    __T7, __T8, __T9, __T10, __T11 > AddSignature < __T0, __T1, __T2, __T3, __T4, __T5,
    __T6, __T7, __T8, __T9, __T10, __T11 > { #[doc = "Sets `a`."] pub fn a < __Given >
    (self, value : impl ::taskora::__private::Given < __arguments::a, u8, __Given >,) ->
    AddSignature < __Given, __T1, __T2, __T3, __T4, __T5, __T6, __T7, __T8, __T9, __T10,
    __T11 > where __T0 : ::taskora::__private::Open < __arguments::a >, { AddSignature {
    a : ::taskora::__private::Given::give(value), b : self.b, c : self.c, d : self.d, e :
    self.e, f : self.f, g : self.g, h : self.h, i : self.i, j : self.j, k : self.k, l :
    self.l } } #[doc = "Sets `b`."] pub fn b < __Given > (self, value : impl
    ::taskora::__private::Given < __arguments::b, u8, __Given >,) -> AddSignature < __T0,
    __Given, __T2, __T3, __T4, __T5, __T6, __T7, __T8, __T9, __T10, __T11 > where __T1 :
    ::taskora::__private::Open < __arguments::b >, { AddSignature { a : self.a, b :
    ::taskora::__private::Given::give(value), c : self.c, d : self.d, e : self.e, f :
    self.f, g : self.g, h : self.h, i : self.i, j : self.j, k : self.k, l : self.l } }
    #[doc = "Sets `c`."] pub fn c < __Given > (self, value : impl
    ::taskora::__private::Given < __arguments::c, u8, __Given >,) -> AddSignature < __T0,
    __T1, __Given, __T3, __T4, __T5, __T6, __T7, __T8, __T9, __T10, __T11 > where __T2 :
    ::taskora::__private::Open < __arguments::c >, { AddSignature { a : self.a, b : self
    .b, c : ::taskora::__private::Given::give(value), d : self.d, e : self.e, f : self.f,
    g : self.g, h : self.h, i : self.i, j : self.j, k : self.k, l : self.l } } #[doc =
    "Sets `d`."] pub fn d < __Given > (self, value : impl ::taskora::__private::Given <
    __arguments::d, u8, __Given >,) -> AddSignature < __T0, __T1, __T2, __Given, __T4,
    __T5, __T6, __T7, __T8, __T9, __T10, __T11 > where __T3 : ::taskora::__private::Open
    < __arguments::d >, { AddSignature { a : self.a, b : self.b, c : self.c, d :
    ::taskora::__private::Given::give(value), e : self.e, f : self.f, g : self.g, h :
    self.h, i : self.i, j : self.j, k : self.k, l : self.l } } #[doc = "Sets `e`."] pub
    fn e < __Given > (self, value : impl ::taskora::__private::Given < __arguments::e,
    u8, __Given >,) -> AddSignature < __T0, __T1, __T2, __T3, __Given, __T5, __T6, __T7,
    __T8, __T9, __T10, __T11 > where __T4 : ::taskora::__private::Open < __arguments::e
    >, { AddSignature { a : self.a, b : self.b, c : self.c, d : self.d, e :
    ::taskora::__private::Given::give(value), f : self.f, g : self.g, h : self.h, i :
    self.i, j : self.j, k : self.k, l : self.l } } #[doc = "Sets `f`."] pub fn f <
    __Given > (self, value : impl ::taskora::__private::Given < __arguments::f, u8,
    __Given >,) -> AddSignature < __T0, __T1, __T2, __T3, __T4, __Given, __T6, __T7,
    __T8, __T9, __T10, __T11 > where __T5 : ::taskora::__private::Open < __arguments::f
    >, { AddSignature { a : self.a, b : self.b, c : self.c, d : self.d, e : self.e, f :
    ::taskora::__private::Given::give(value), g : self.g, h : self.h, i : self.i, j :
    self.j, k : self.k, l : self.l } } #[doc = "Sets `g`."] pub fn g < __Given > (self,
    value : impl ::taskora::__private::Given < __arguments::g, u8, __Given >,) ->
    AddSignature < __T0, __T1, __T2, __T3, __T4, __T5, __Given, __T7, __T8, __T9, __T10,
    __T11 > where __T6 : ::taskora::__private::Open < __arguments::g >, { AddSignature {
    a : self.a, b : self.b, c : self.c, d : self.d, e : self.e, f : self.f, g :
    ::taskora::__private::Given::give(value), h : self.h, i : self.i, j : self.j, k :
    self.k, l : self.l } } #[doc = "Sets `h`."] pub fn h < __Given > (self, value : impl
    ::taskora::__private::Given < __arguments::h, u8, __Given >,) -> AddSignature < __T0,
    __T1, __T2, __T3, __T4, __T5, __T6, __Given, __T8, __T9, __T10, __T11 > where __T7 :
    ::taskora::__private::Open < __arguments::h >, { AddSignature { a : self.a, b : self
    .b, c : self.c, d : self.d, e : self.e, f : self.f, g : self.g, h :
    ::taskora::__private::Given::give(value), i : self.i, j : self.j, k : self.k, l :
    self.l } } #[doc = "Sets `i`."] pub fn i < __Given > (self, value : impl
    ::taskora::__private::Given < __arguments::i, u8, __Given >,) -> AddSignature < __T0,
    __T1, __T2, __T3, __T4, __T5, __T6, __T7, __Given, __T9, __T10, __T11 > where __T8 :
    ::taskora::__private::Open < __arguments::i >, { AddSignature { a : self.a, b : self
    .b, c : self.c, d : self.d, e : self.e, f : self.f, g : self.g, h : self.h, i :
    ::taskora::__private::Given::give(value), j : self.j, k : self.k, l : self.l } }
    #[doc = "Sets `j`."] pub fn j < __Given > (self, value : impl
    ::taskora::__private::Given < __arguments::j, u8, __Given >,) -> AddSignature < __T0,
    __T1, __T2, __T3, __T4, __T5, __T6, __T7, __T8, __Given, __T10, __T11 > where __T9 :
    ::taskora::__private::Open < __arguments::j >, { AddSignature { a : self.a, b : self
    .b, c : self.c, d : self.d, e : self.e, f : self.f, g : self.g, h : self.h, i : self
    .i, j : ::taskora::__private::Given::give(value), k : self.k, l : self.l } } #[doc =
    "Sets `k`."] pub fn k < __Given > (self, value : impl ::taskora::__private::Given <
    __arguments::k, u8, __Given >,) -> AddSignature < __T0, __T1, __T2, __T3, __T4, __T5,
    __T6, __T7, __T8, __T9, __Given, __T11 > where __T10 : ::taskora::__private::Open <
    __arguments::k >, { AddSignature { a : self.a, b : self.b, c : self.c, d : self.d, e
    : self.e, f : self.f, g : self.g, h : self.h, i : self.i, j : self.j, k :
    ::taskora::__private::Given::give(value), l : self.l } } #[doc = "Sets `l`."] pub fn
    l < __Given > (self, value : impl ::taskora::__private::Given < __arguments::l, u8,
    __Given >,) -> AddSignature < __T0, __T1, __T2, __T3, __T4, __T5, __T6, __T7, __T8,
    __T9, __T10, __Given > where __T11 : ::taskora::__private::Open < __arguments::l >, {
    AddSignature { a : self.a, b : self.b, c : self.c, d : self.d, e : self.e, f : self
    .f, g : self.g, h : self.h, i : self.i, j : self.j, k : self.k, l :
    ::taskora::__private::Given::give(value) } } } #[automatically_derived] impl
    ::taskora::__private::Dispatchable for AddSignature < ::taskora::__private::Set <
    __arguments::a, u8 >, ::taskora::__private::Set < __arguments::b, u8 >,
    ::taskora::__private::Set < __arguments::c, u8 >, ::taskora::__private::Set <
    __arguments::d, u8 >, ::taskora::__private::Set < __arguments::e, u8 >,
    ::taskora::__private::Set < __arguments::f, u8 >, ::taskora::__private::Set <
    __arguments::g, u8 >, ::taskora::__private::Set < __arguments::h, u8 >,
    ::taskora::__private::Set < __arguments::i, u8 >, ::taskora::__private::Set <
    __arguments::j, u8 >, ::taskora::__private::Set < __arguments::k, u8 >,
    ::taskora::__private::Set < __arguments::l, u8 > > { type Handle = < Add as
    ::taskora::__private::Dispatchable > ::Handle; type Slot =
    ::taskora::__private::Bound; #[inline] fn __into_dispatch(self, setup : &
    ::taskora::__private::Setup) -> ::taskora::__private::Dispatch < Self::Handle > {
    ::taskora::__private::Dispatchable::__into_dispatch(Add { a : self.a.into_value(), b
    : self.b.into_value(), c : self.c.into_value(), d : self.d.into_value(), e : self.e
    .into_value(), f : self.f.into_value(), g : self.g.into_value(), h : self.h
    .into_value(), i : self.i.into_value(), j : self.j.into_value(), k : self.k
    .into_value(), l : self.l.into_value() }, setup) } } #[automatically_derived] impl <
    __T0, __T1, __T2, __T3, __T4, __T5, __T6, __T7, __T8, __T9, __T10, __T11 >
    ::taskora::__private::Step for AddSignature < __T0, __T1, __T2, __T3, __T4, __T5,
    __T6, __T7, __T8, __T9, __T10, __T11 > where (__T0, __T1, __T2, __T3, __T4, __T5,
    __T6, __T7, __T8, __T9, __T10, __T11,) : ::taskora::__private::Partial < Add >, {
    type Slot = < (__T0, __T1, __T2, __T3, __T4, __T5, __T6, __T7, __T8, __T9, __T10,
    __T11,) as ::taskora::__private::Partial < Add >> ::Slot; type Out = u8; #[inline] fn
    into_plan(self) -> ::taskora::__private::Plan { < (__T0, __T1, __T2, __T3, __T4,
    __T5, __T6, __T7, __T8, __T9, __T10, __T11,) as ::taskora::__private::Partial < Add
    >> ::into_plan((self.a, self.b, self.c, self.d, self.e, self.f, self.g, self.h, self
    .i, self.j, self.k, self.l,)) } } };
}
///The arguments of the task `add`.
#[derive(
    ::taskora::__private::serde::Serialize,
    ::taskora::__private::serde::Deserialize
)]
#[serde(crate = "::taskora::__private::serde")]
pub(crate) struct Add {
    ///The argument `a`.
    pub a: u8,
    ///The argument `b`.
    pub b: u8,
    ///The argument `c`.
    pub c: u8,
    ///The argument `d`.
    pub d: u8,
    ///The argument `e`.
    pub e: u8,
    ///The argument `f`.
    pub f: u8,
    ///The argument `g`.
    pub g: u8,
    ///The argument `h`.
    pub h: u8,
    ///The argument `i`.
    pub i: u8,
    ///The argument `j`.
    pub j: u8,
    ///The argument `k`.
    pub k: u8,
    ///The argument `l`.
    pub l: u8,
}
#[automatically_derived]
impl<__S> ::taskora::__private::Handler<__S> for Add
where
    __S: ::taskora::__private::WorkerState,
{
    type Task = Add;
    const OPTIONS: ::taskora::__private::HandlerOptions = ::taskora::__private::HandlerOptions::new(
        ::core::concat!(::core::file!(), ":", ::core::line!()),
    );
    async fn run(
        task: Add,
        scope: ::taskora::__private::Scope<__S>,
    ) -> ::taskora::__private::Ran<Add> {
        ::taskora::__private::blocking(
                scope,
                move |scope| {
                    ::taskora::__private::finish(
                        ::taskora::__private::succeed(
                            add(
                                task.a,
                                task.b,
                                task.c,
                                task.d,
                                task.e,
                                task.f,
                                task.g,
                                task.h,
                                task.i,
                                task.j,
                                task.k,
                                task.l,
                            ),
                        ),
                        ::taskora::__private::no_advice,
                    )
                },
            )
            .await
    }
}
