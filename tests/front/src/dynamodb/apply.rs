//! What an update makes of an item: every operand is read from the item as it was.

use super::error::{Error, validation};
use super::path::{Path, Step};
use super::update::{Term, Update};
use super::value::{Item, Value};

const WRONG_TYPE: &str = "An operand in the update expression has an incorrect data type";
const WRONG_PATH: &str =
    "The document path provided in the update expression is invalid for update";
const ABSENT: &str =
    "The provided expression refers to an attribute that does not exist in the item";

impl Update {
    /// The item after the update.
    pub(super) fn apply(&self, before: &Item) -> Result<Item, Error> {
        let mut after = before.clone();
        let mut set = Vec::new();
        for (path, term) in &self.set {
            set.push((path, term.value(before)?));
        }
        // Elements beyond a list's end are appended in the order of their indexes.
        set.sort_by_key(|(path, _)| *path);
        for (path, value) in set {
            put(&mut after, path, value)?;
        }
        for (path, value) in &self.add {
            let sum = added(path.find(before), value)?;
            put(&mut after, path, sum)?;
        }
        for (path, value) in &self.delete {
            match path.find(before) {
                Some(set) => match without(set, value)? {
                    Some(left) => put(&mut after, path, left)?,
                    None => remove(&mut after, path)?,
                },
                None => check_parent(&after, path)?,
            }
        }
        // From the last element of a list to its first, so that indexes stay those of before.
        let mut removed: Vec<&Path> = self.remove.iter().collect();
        removed.sort();
        for path in removed.into_iter().rev() {
            remove(&mut after, path)?;
        }
        Ok(after)
    }
}

impl Term {
    fn value(&self, item: &Item) -> Result<Value, Error> {
        match self {
            Term::Value(value) => Ok(value.clone()),
            Term::Path(path) => path.find(item).cloned().ok_or_else(|| validation(ABSENT)),
            Term::IfNotExists(path, other) => match path.find(item) {
                Some(value) => Ok(value.clone()),
                None => other.value(item),
            },
            Term::ListAppend(a, b) => match (a.value(item)?, b.value(item)?) {
                (Value::L(mut list), Value::L(more)) => {
                    list.extend(more);
                    Ok(Value::L(list))
                }
                _ => Err(validation(WRONG_TYPE)),
            },
            Term::Plus(a, b) => match (a.value(item)?, b.value(item)?) {
                (Value::N(a), Value::N(b)) => Ok(Value::N(a.add(&b)?)),
                _ => Err(validation(WRONG_TYPE)),
            },
            Term::Minus(a, b) => match (a.value(item)?, b.value(item)?) {
                (Value::N(a), Value::N(b)) => Ok(Value::N(a.subtract(&b)?)),
                _ => Err(validation(WRONG_TYPE)),
            },
        }
    }
}

/// What ADD makes of an attribute.
fn added(before: Option<&Value>, value: &Value) -> Result<Value, Error> {
    let Some(before) = before else { return Ok(value.clone()) };
    Ok(match (before, value) {
        (Value::N(a), Value::N(b)) => Value::N(a.add(b)?),
        (Value::Ss(a), Value::Ss(b)) => Value::Ss(union(a, b)),
        (Value::Ns(a), Value::Ns(b)) => Value::Ns(union(a, b)),
        (Value::Bs(a), Value::Bs(b)) => Value::Bs(union(a, b)),
        _ => return Err(validation(WRONG_TYPE)),
    })
}

fn union<T: Ord + Clone>(a: &[T], b: &[T]) -> Vec<T> {
    let mut all = [a, b].concat();
    all.sort();
    all.dedup();
    all
}

/// What DELETE leaves of a set; nothing if it was all.
fn without(before: &Value, value: &Value) -> Result<Option<Value>, Error> {
    Ok(match (before, value) {
        (Value::Ss(a), Value::Ss(b)) => left(a, b).map(Value::Ss),
        (Value::Ns(a), Value::Ns(b)) => left(a, b).map(Value::Ns),
        (Value::Bs(a), Value::Bs(b)) => left(a, b).map(Value::Bs),
        _ => return Err(validation(WRONG_TYPE)),
    })
}

fn left<T: Ord + Clone>(a: &[T], b: &[T]) -> Option<Vec<T>> {
    let left: Vec<T> = a.iter().filter(|one| !b.contains(one)).cloned().collect();
    Some(left).filter(|left| !left.is_empty())
}

/// Refuses a path whose way does not exist.
fn check_parent(item: &Item, path: &Path) -> Result<(), Error> {
    let (last, way) = path.0.split_last().ok_or_else(|| validation(WRONG_PATH))?;
    if way.is_empty() {
        return Ok(());
    }
    match (Path(way.to_vec()).find(item), last) {
        (Some(Value::M(_)), Step::Name(_)) | (Some(Value::L(_)), Step::Index(_)) => Ok(()),
        _ => Err(validation(WRONG_PATH)),
    }
}

/// The value that a path's last step is taken in.
fn parent<'a>(item: &'a mut Item, path: &Path) -> Result<&'a mut Value, Error> {
    let wrong = || validation(WRONG_PATH);
    let way = &path.0[1..path.0.len() - 1];
    let mut value = item.get_mut(path.attribute()).ok_or_else(wrong)?;
    for step in way {
        value = match (step, value) {
            (Step::Name(name), Value::M(map)) => map.get_mut(name).ok_or_else(wrong)?,
            (Step::Index(index), Value::L(list)) => list.get_mut(*index).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
    }
    Ok(value)
}

fn put(item: &mut Item, path: &Path, value: Value) -> Result<(), Error> {
    if path.0.len() == 1 {
        item.insert(path.attribute().to_owned(), value);
        return Ok(());
    }
    match (parent(item, path)?, path.0.last()) {
        (Value::M(map), Some(Step::Name(name))) => {
            map.insert(name.clone(), value);
        }
        (Value::L(list), Some(Step::Index(index))) => match list.get_mut(*index) {
            Some(place) => *place = value,
            None => list.push(value),
        },
        _ => return Err(validation(WRONG_PATH)),
    }
    Ok(())
}

fn remove(item: &mut Item, path: &Path) -> Result<(), Error> {
    if path.0.len() == 1 {
        item.remove(path.attribute());
        return Ok(());
    }
    match (parent(item, path)?, path.0.last()) {
        (Value::M(map), Some(Step::Name(name))) => {
            map.remove(name);
        }
        (Value::L(list), Some(Step::Index(index))) => {
            if *index < list.len() {
                list.remove(*index);
            }
        }
        _ => return Err(validation(WRONG_PATH)),
    }
    Ok(())
}
