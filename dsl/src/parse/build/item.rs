//! Declarations.

use super::{Builder, Built, Pair, next, only, parts};
use crate::ast::*;
use crate::check::suggest::nearest;
use crate::parse::grammar::Rule;
use crate::span::{Name, Spanned};

const GUARANTEES: [&str; 3] = ["at_least_once", "at_most_once", "exactly_once"];

impl Builder<'_> {
    pub(super) fn item(&mut self, pair: Pair) -> Built<ItemKind> {
        match pair.as_rule() {
            Rule::use_decl => self.import(pair),
            Rule::param => self.param(pair),
            Rule::secret => {
                let mut parts = parts(pair);
                let name = self.name(&next(&mut parts));
                Ok(ItemKind::Secret { name, value: self.expr(next(&mut parts))? })
            }
            Rule::const_decl => self.constant(pair),
            Rule::type_decl => {
                let mut parts = parts(pair);
                let name = self.name(&next(&mut parts));
                Ok(ItemKind::Type { name, ty: self.ty(next(&mut parts))? })
            }
            Rule::resource => self.resource(pair),
            Rule::profile => self.profile(pair),
            Rule::node_decl => self.node_decl(pair),
            Rule::flow => self.flow(pair),
            Rule::query => self.query(pair),
            Rule::test => self.test(pair),
            other => unreachable!("{other:?} is no declaration"),
        }
    }

    fn import(&mut self, pair: Pair) -> Built<ItemKind> {
        self.check_parted(&pair, |rule| rule == Rule::ident, "these names");
        let mut parts = parts(pair);
        let path = self.plain_text(next(&mut parts))?;
        let names = parts.map(|part| self.name(&part)).collect();
        Ok(ItemKind::Use { path, names })
    }

    fn param(&mut self, pair: Pair) -> Built<ItemKind> {
        let Formal { name, ty, default } = self.formal(pair)?;
        Ok(ItemKind::Param { name, ty, default })
    }

    fn formal(&mut self, pair: Pair) -> Built<Formal> {
        let mut parts = parts(pair);
        let name = self.name(&next(&mut parts));
        let ty = self.ty(next(&mut parts))?;
        let default = parts.next().map(|part| self.expr(part)).transpose()?;
        Ok(Formal { name, ty, default })
    }

    fn constant(&mut self, pair: Pair) -> Built<ItemKind> {
        let mut parts = parts(pair).peekable();
        let name = self.name(&next(&mut parts));
        let ty = parts.next_if(|part| part.as_rule() == Rule::ty);
        let ty = ty.map(|part| self.ty(part)).transpose()?;
        Ok(ItemKind::Const { name, ty, value: self.expr(next(&mut parts))? })
    }

    fn resource(&mut self, pair: Pair) -> Built<ItemKind> {
        let mut parts = parts(pair);
        let word = next(&mut parts);
        let kind = match word.as_str() {
            "stream" => ResourceKind::Stream,
            "delivery" => ResourceKind::Delivery,
            "bucket" => ResourceKind::Bucket,
            "table" => ResourceKind::Table,
            _ => ResourceKind::Queue,
        };
        let kind = Spanned { node: kind, span: self.exact(&word) };
        let name = self.name(&next(&mut parts));
        let ty = self.ty(next(&mut parts))?;
        let (mut key, mut into) = (None, None);
        for part in parts {
            if part.as_rule() == Rule::key_clause {
                key = Some(self.key(part));
            } else {
                into = Some(self.name(&only(part)));
            }
        }
        Ok(ItemKind::Resource { kind, name, ty, key, into })
    }

    fn key(&mut self, pair: Pair) -> Key {
        let span = self.span(&pair);
        Key { fields: parts(pair).map(|part| self.field_name(&part)).collect(), span }
    }

    fn profile(&mut self, pair: Pair) -> Built<ItemKind> {
        self.check_parted(&pair, |rule| rule == Rule::binding, "this profile");
        let mut parts = parts(pair).peekable();
        let name = self.name(&next(&mut parts));
        if let Some(alias) = parts.next_if(|part| part.as_rule() == Rule::expr) {
            return Ok(ItemKind::Profile { name, body: ProfileBody::Alias(self.expr(alias)?) });
        }
        let mut bindings = Vec::new();
        for binding in parts {
            let mut parts = super::parts(binding);
            let name = self.name(&next(&mut parts));
            bindings.push((name, self.expr(next(&mut parts))?));
        }
        Ok(ItemKind::Profile { name, body: ProfileBody::Bindings(bindings) })
    }

    fn node_decl(&mut self, pair: Pair) -> Built<ItemKind> {
        let mut all = parts(pair);
        let name = self.name(&next(&mut all));
        let mut params = Vec::new();
        for formal in parts(next(&mut all)) {
            params.push(self.formal(formal)?);
        }
        let first = self.ty(next(&mut all))?;
        let second = next(&mut all);
        let (input, output, body) = match second.as_rule() {
            Rule::ty => (Some(first), self.ty(second)?, next(&mut all)),
            _ => (None, first, second),
        };
        Ok(ItemKind::Node { name, params, input, output, body: self.body(body)? })
    }

    fn flow(&mut self, pair: Pair) -> Built<ItemKind> {
        let mut parts = parts(pair).peekable();
        let name = self.name(&next(&mut parts));
        let word = parts.next_if(|part| part.as_rule() == Rule::guarantee);
        let guarantee = word.and_then(|word| self.guarantee(&self.name(&word)));
        Ok(ItemKind::Flow { name, guarantee, body: self.body(next(&mut parts))? })
    }

    fn guarantee(&mut self, word: &Name) -> Option<Spanned<Guarantee>> {
        let node = match word.node.as_str() {
            "at_least_once" => Guarantee::AtLeastOnce,
            "at_most_once" => Guarantee::AtMostOnce,
            "exactly_once" => Guarantee::ExactlyOnce,
            other => {
                let message = format!("`{other}` is not a guarantee");
                let help = match nearest(other, GUARANTEES) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "a flow is `at_least_once`, `at_most_once` or `exactly_once`".into(),
                };
                self.mistake(&message, word.span, "a flow's type is its guarantee", help);
                return None;
            }
        };
        Some(Spanned { node, span: word.span })
    }

    fn query(&mut self, pair: Pair) -> Built<ItemKind> {
        let mut parts = parts(pair).peekable();
        let name = self.name(&next(&mut parts));
        let on = self.name(&next(&mut parts));
        let chart = parts.next_if(|part| part.as_rule() == Rule::call);
        let chart = chart.map(|part| self.call(part)).transpose()?;
        let sql = next(&mut parts);
        if sql.as_rule() == Rule::string {
            let help = "write `\"\"\"` before the SQL and after it".into();
            let span = self.span(&sql);
            self.mistake("the SQL of a query stands in `\"\"\"`", span, "in `\"` here", help);
        }
        Ok(ItemKind::Query { name, on, chart, sql: self.template(sql)? })
    }

    fn test(&mut self, pair: Pair) -> Built<ItemKind> {
        self.check_parted(&pair, |rule| rule == Rule::test_step, "this test");
        let mut parts = parts(pair);
        let title = self.plain_text(next(&mut parts))?;
        let mut steps = Vec::new();
        for step in parts {
            steps.push(self.test_step(only(step))?);
        }
        Ok(ItemKind::Test { title, steps })
    }

    fn test_step(&mut self, pair: Pair) -> Built<TestStep> {
        let rule = pair.as_rule();
        let mut parts = parts(pair);
        let first = next(&mut parts);
        match rule {
            Rule::given_step => {
                let path = self.path(&first);
                Ok(TestStep::Given { path, value: self.expr(next(&mut parts))? })
            }
            Rule::run_step => Ok(TestStep::Run(self.call(first)?)),
            _ => Ok(TestStep::Expect(self.expr(first)?)),
        }
    }
}
