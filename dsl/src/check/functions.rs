//! The functions of the language: one table, read by the checker, the kernels and the docs.
//!
//! A call in the plan ([`crate::plan::ExprKind::Call`]) carries one expression for every parameter
//! of the table, in its order: named arguments are put in place, absent ones are their default as
//! a constant. An exception is the shape of a decimal: `precision` and `scale` of `decimal(…)` are
//! in the type of the call, not among its arguments. Null in any argument gives null.

/// One function.
#[derive(Clone, Copy, Debug)]
pub struct FunctionSpec {
    /// Its name.
    pub name: &'static str,
    /// Its parameters, in order.
    pub params: &'static [ParamSpec],
    /// What it gives.
    pub result: ResultTy,
    /// Completes "can fail: …"; `None` = it cannot fail. A call whose first argument is of a kind
    /// in `never_fails_for` cannot fail either.
    pub fails: Option<&'static str>,
    /// The kinds of the first argument for which it cannot fail.
    pub never_fails_for: &'static [Kind],
    /// One line.
    pub doc: &'static str,
    /// A call and its result: `upper("tea")` and `"TEA"`.
    pub example: (&'static str, &'static str),
}

/// One parameter of a function.
#[derive(Clone, Copy, Debug)]
pub struct ParamSpec {
    /// Its name, usable before a colon.
    pub name: &'static str,
    /// The kinds of values it takes.
    pub accepts: &'static [Kind],
    /// As it would be written; `None` = it must be given.
    pub default: Option<&'static str>,
    /// Must be known before the run (a literal, const or param).
    pub constant: bool,
}

/// Kinds of types, without their arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any value with a text form: no record, list, map or bytes.
    Any,
    /// `text`
    Text,
    /// `int`
    Int,
    /// `decimal(p, s)`
    Decimal,
    /// `float`
    Float,
    /// `bool`
    Bool,
    /// `timestamp`
    Timestamp,
    /// `date`
    Date,
    /// `bytes`
    Bytes,
    /// `list<T>`
    List,
}

/// What a function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultTy {
    /// `text`
    Text,
    /// `int`
    Int,
    /// `float`
    Float,
    /// `bool`
    Bool,
    /// `timestamp`
    Timestamp,
    /// `date`
    Date,
    /// `uuid`
    Uuid,
    /// `url`
    Url,
    /// `list<text>`
    Texts,
    /// The type of the first argument.
    Same,
    /// The first argument's type with the scale of the second argument (a decimal), or the first
    /// argument's type (a float).
    Rounded,
    /// A decimal: `precision` and `scale` as given, else as the place expects, else
    /// decimal(38, 9).
    Decimal,
}

const TEXT: ParamSpec = param("x", &[Kind::Text]);
const NUMBER: ParamSpec = param("x", &[Kind::Int, Kind::Decimal, Kind::Float]);
const FRACTION: ParamSpec = param("x", &[Kind::Decimal, Kind::Float]);

const fn param(name: &'static str, accepts: &'static [Kind]) -> ParamSpec {
    ParamSpec { name, accepts, default: None, constant: false }
}

/// A parameter that must be known before the run.
const fn setting(
    name: &'static str,
    accepts: &'static [Kind],
    default: Option<&'static str>,
) -> ParamSpec {
    ParamSpec { name, accepts, default, constant: true }
}

/// A function that cannot fail.
const fn sure(
    name: &'static str,
    params: &'static [ParamSpec],
    result: ResultTy,
    doc: &'static str,
    example: (&'static str, &'static str),
) -> FunctionSpec {
    FunctionSpec { name, params, result, fails: None, never_fails_for: &[], doc, example }
}

/// The same function, fallible.
const fn or_fails(
    spec: FunctionSpec,
    when: &'static str,
    never_fails_for: &'static [Kind],
) -> FunctionSpec {
    FunctionSpec { fails: Some(when), never_fails_for, ..spec }
}

/// Every function, in the order of the docs.
pub const FUNCTIONS: &[FunctionSpec] = &[
    sure("upper", &[TEXT], ResultTy::Text, "In capitals.", (r#"upper("tea")"#, r#""TEA""#)),
    sure("lower", &[TEXT], ResultTy::Text, "In small letters.", (r#"lower("Tea")"#, r#""tea""#)),
    sure(
        "trim",
        &[TEXT],
        ResultTy::Text,
        "Without the blanks at both ends.",
        (r#"trim(" tea ")"#, r#""tea""#),
    ),
    sure(
        "length",
        &[param("x", &[Kind::Text, Kind::List])],
        ResultTy::Int,
        "Characters of a text, items of a list.",
        (r#"length("tea")"#, "3"),
    ),
    sure(
        "replace",
        &[TEXT, param("find", &[Kind::Text]), param("with", &[Kind::Text])],
        ResultTy::Text,
        "Every `find` replaced by `with`; an empty `find` replaces nothing.",
        (r#"replace("a-b", "-", "+")"#, r#""a+b""#),
    ),
    sure(
        "round",
        &[FRACTION, setting("digits", &[Kind::Int], Some("0"))],
        ResultTy::Rounded,
        "To that many digits behind the point, halves away from zero.",
        ("round(2.345, 2)", "2.35"),
    ),
    sure(
        "floor",
        &[FRACTION],
        ResultTy::Int,
        "The largest whole number that is not above x.",
        ("floor(-2.5)", "-3"),
    ),
    sure(
        "ceil",
        &[FRACTION],
        ResultTy::Int,
        "The smallest whole number that is not below x.",
        ("ceil(2.1)", "3"),
    ),
    sure("abs", &[NUMBER], ResultTy::Same, "Without its sign.", ("abs(-2.5)", "2.5")),
    sure(
        "contains",
        &[TEXT, param("part", &[Kind::Text])],
        ResultTy::Bool,
        "Whether `part` stands anywhere in x.",
        (r#"contains("teapot", "pot")"#, "true"),
    ),
    sure(
        "starts_with",
        &[TEXT, param("part", &[Kind::Text])],
        ResultTy::Bool,
        "Whether x begins with `part`.",
        (r#"starts_with("C536379", "C")"#, "true"),
    ),
    sure(
        "ends_with",
        &[TEXT, param("part", &[Kind::Text])],
        ResultTy::Bool,
        "Whether x ends with `part`.",
        (r#"ends_with("a.txt", ".csv")"#, "false"),
    ),
    sure(
        "split",
        &[TEXT, param("separator", &[Kind::Text])],
        ResultTy::Texts,
        "The parts between the separators; an empty separator gives x as it is.",
        (r#"split("a,b", ",")"#, r#"["a", "b"]"#),
    ),
    sure(
        "sha256",
        &[param("x", &[Kind::Text, Kind::Bytes])],
        ResultTy::Text,
        "The SHA-256 of the bytes, in 64 hexadecimal digits.",
        (r#"sha256("")"#, r#""e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#),
    ),
    sure(
        "now",
        &[],
        ResultTy::Timestamp,
        "The time at which the record is processed; another one on replay.",
        ("now()", r#"timestamp("2026-01-31T12:00:00Z")"#),
    ),
    sure(
        "uuid",
        &[],
        ResultTy::Uuid,
        "A random UUID (version 4); another one on replay.",
        ("uuid()", r#""7f9c24e5-2c1b-4f7a-9d3e-0a1b2c3d4e5f""#),
    ),
    sure(
        "text",
        &[param("x", &[Kind::Any])],
        ResultTy::Text,
        "As text: what a hole in a text would print.",
        ("text(2.50)", r#""2.50""#),
    ),
    or_fails(
        sure(
            "int",
            &[param("x", &[Kind::Text, Kind::Decimal, Kind::Float])],
            ResultTy::Int,
            "A whole number, read from text or out of a decimal or float without a fraction.",
            (r#"int("42")"#, "42"),
        ),
        "not a whole number of 64 bits",
        &[],
    ),
    or_fails(
        sure(
            "decimal",
            &[
                param("x", &[Kind::Text, Kind::Int, Kind::Float]),
                setting("precision", &[Kind::Int], Some("38")),
                setting("scale", &[Kind::Int], Some("9")),
            ],
            ResultTy::Decimal,
            "An exact decimal. Without `precision` and `scale` it is of the type that its place \
             wants. It never rounds: more digits than the scale are a failure.",
            (r#"decimal("2.55", 10, 3)"#, "2.550"),
        ),
        "not a decimal of that precision and scale",
        &[],
    ),
    or_fails(
        sure(
            "float",
            &[param("x", &[Kind::Text, Kind::Int, Kind::Decimal])],
            ResultTy::Float,
            "The nearest binary float.",
            (r#"float("2.5")"#, "2.5"),
        ),
        "not a number",
        &[Kind::Int, Kind::Decimal],
    ),
    or_fails(
        sure(
            "bool",
            &[param("x", &[Kind::Text, Kind::Int])],
            ResultTy::Bool,
            "`true`, `false`, `1` and `0`; the words in any case.",
            (r#"bool("True")"#, "true"),
        ),
        "neither true nor false",
        &[],
    ),
    or_fails(
        sure(
            "timestamp",
            &[
                param("x", &[Kind::Text, Kind::Date]),
                setting("format", &[Kind::Text], Some(r#""rfc3339""#)),
                setting("zone", &[Kind::Text], Some(r#""UTC""#)),
            ],
            ResultTy::Timestamp,
            "An instant, read by a strftime format in a time zone.",
            (
                r#"timestamp("12/1/2010 8:26", format: "%m/%d/%Y %H:%M")"#,
                r#"timestamp("2010-12-01T08:26:00Z")"#,
            ),
        ),
        "not a timestamp of that format",
        &[Kind::Date],
    ),
    or_fails(
        sure(
            "date",
            &[
                param("x", &[Kind::Text, Kind::Timestamp]),
                setting("format", &[Kind::Text], Some(r#""%Y-%m-%d""#)),
            ],
            ResultTy::Date,
            "A calendar day, read by a strftime format; of a timestamp, the day in UTC.",
            (r#"date("2010-12-01")"#, r#"date("2010-12-01")"#),
        ),
        "not a date of that format",
        &[Kind::Timestamp],
    ),
    or_fails(
        sure(
            "url",
            &[TEXT],
            ResultTy::Url,
            "An absolute URL.",
            (r#"url("https://example.org/a")"#, r#""https://example.org/a""#),
        ),
        "not an absolute URL",
        &[],
    ),
];

/// The function of that name.
pub fn find(name: &str) -> Option<&'static FunctionSpec> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// A call of it as it would be written: the example of the table.
pub fn example_call(name: &str) -> &'static str {
    find(name).map_or("", |function| function.example.0)
}
