//! Where in a specification one is, and the errors found so far.

use std::fmt::Display;

use super::FieldError;
use crate::form::Form;

/// A field that is being judged.
pub(crate) struct Place<'a> {
    path: String,
    errors: &'a mut Vec<FieldError>,
}

impl<'a> Place<'a> {
    /// The whole that paths are relative to.
    pub(crate) fn root(errors: &'a mut Vec<FieldError>) -> Self {
        Self {
            path: String::new(),
            errors,
        }
    }

    pub(crate) fn field(&mut self, name: &str) -> Place<'_> {
        let path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        };
        Place {
            path,
            errors: self.errors,
        }
    }

    pub(crate) fn index(&mut self, index: usize) -> Place<'_> {
        Place {
            path: format!("{}[{index}]", self.path),
            errors: self.errors,
        }
    }

    pub(crate) fn refuse(&mut self, message: impl Into<String>) {
        self.errors.push(FieldError::new(self.path.clone(), message));
    }

    /// Refuses with the error of a judgement, if there is one.
    pub(crate) fn judge<T, E: Display>(&mut self, judgement: Result<T, E>) -> Option<T> {
        judgement.map_err(|error| self.refuse(error.to_string())).ok()
    }

    pub(crate) fn form(&mut self, form: &Form, text: &str) {
        self.judge(form.check(text));
    }

    /// Exactly one of the members is there.
    pub(crate) fn exactly_one<const N: usize>(&mut self, members: &[&str], present: [bool; N]) {
        if present.into_iter().filter(|present| *present).count() != 1 {
            self.refuse(format!("exactly one of {} is needed", members.join(", ")));
        }
    }

    /// Errors that somebody else found, with whole paths.
    pub(crate) fn add(&mut self, errors: impl IntoIterator<Item = FieldError>) {
        self.errors.extend(errors);
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}
