//! Types.

use super::{Builder, Built, Pair, next, only, parts};
use crate::ast::*;
use crate::parse::grammar::Rule;
use crate::span::Spanned;

impl Builder<'_> {
    pub(super) fn ty(&mut self, pair: Pair) -> Built<Type> {
        let span = self.span(&pair);
        self.deeper(1, span, |builder| {
            let mut parts = parts(pair);
            let base = builder.ty_base(only(next(&mut parts)))?;
            Ok(match parts.next() {
                Some(_) => Type { kind: TypeKind::Nullable(Box::new(base)), span },
                None => base,
            })
        })
    }

    fn ty_base(&mut self, pair: Pair) -> Built<Type> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::rec_ty => {
                self.check_parted(&pair, |rule| rule == Rule::ty_field, "this record type");
                let fields = parts(pair).map(|part| self.ty_field(only(part)));
                TypeKind::Record(fields.collect::<Built<_>>()?)
            }
            Rule::applied => self.applied(pair)?,
            _ => TypeKind::Literal(self.plain_text(pair)?.node),
        };
        Ok(Type { kind, span })
    }

    fn applied(&mut self, pair: Pair) -> Built<TypeKind> {
        let mut all = parts(pair);
        let name = self.name(&next(&mut all));
        let (mut args, mut numbers) = (Vec::new(), Vec::new());
        let list = all.next();
        for part in list.into_iter().flat_map(parts) {
            if part.as_rule() == Rule::ty {
                args.push(self.ty(part)?);
            } else {
                let span = self.exact(&part);
                numbers.push(Spanned { node: self.int(part.as_str(), span), span });
            }
        }
        Ok(TypeKind::Applied { name, args, numbers })
    }

    fn ty_field(&mut self, pair: Pair) -> Built<TypeField> {
        if pair.as_rule() == Rule::rest {
            return Ok(TypeField::Rest(self.exact(&pair)));
        }
        self.check_separator(&pair, "a field");
        let dynamic = pair.as_rule() == Rule::ty_dynamic;
        let mut parts = parts(pair);
        let first = next(&mut parts);
        let second = next(&mut parts);
        if dynamic {
            return Ok(TypeField::Dynamic { key: self.ty(first)?, ty: self.ty(second)? });
        }
        let name = match first.as_rule() {
            Rule::string => self.plain_text(first)?,
            _ => self.name(&first),
        };
        Ok(TypeField::Named { name, ty: self.ty(second)? })
    }
}
