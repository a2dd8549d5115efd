//! Rules of the CRD in CEL, written from the same forms and bounds that the validator uses.
//!
//! A message is a sentence for whoever ran `kubectl apply`; the API server puts the path of the field before it.

use serde_json::{Value, json};

use crate::destination::{abilities, header};
use crate::form::{self, Form};
use crate::limits::{Durations, Sizes};

/// Rules with their messages, as `x-kubernetes-validations` takes them.
pub fn rules(rules: &[(&str, &str)]) -> Value {
    let rules = rules
        .iter()
        .map(|(rule, message)| json!({"rule": rule, "message": message}));
    Value::Array(rules.collect())
}

/// The text is of the form.
pub fn text(form: &Form) -> Value {
    rules(&[(&format!("self.matches('{}')", quoted(form)), form.sentence())])
}

/// Every text of a list is of the form.
pub fn each(form: &Form) -> Value {
    rules(&[(
        &format!("self.all(x, x.matches('{}'))", quoted(form)),
        &format!("each {}", form.sentence()),
    )])
}

/// What stands in a CEL literal: backslashes are doubled, apostrophes don't occur.
fn quoted(form: &Form) -> String {
    form.pattern().replace('\\', "\\\\")
}

pub fn duration(bounds: Durations) -> Value {
    let (min, max) = (bounds.min, bounds.max);
    rules(&[(
        &format!("duration(self) >= duration('{min}') && duration(self) <= duration('{max}')"),
        &bounds.sentence(),
    )])
}

/// A number is in bytes; a string that is no quantity is refused by its pattern.
pub fn size(bounds: Sizes) -> Value {
    let (min, max) = (bounds.min, bounds.max);
    let (least, most) = (min.as_bytes(), max.as_bytes());
    rules(&[(
        &format!(
            "type(self) == int ? self >= {least} && self <= {most} : !isQuantity(self) || \
             (!quantity(self).isLessThan(quantity('{min}')) && !quantity(self).isGreaterThan(quantity('{max}')))"
        ),
        &bounds.sentence(),
    )])
}

/// Names of headers: well-formed, no credentials, and none that belongs to the request itself.
pub(crate) fn headers() -> Value {
    let list = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("'{name}'"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let none_of = |names: &[&str]| format!("!self.exists(x, x.lowerAscii() in [{}])", list(names));
    rules(&[
        (
            &format!("self.all(x, x.matches('{}'))", quoted(&form::HEADER_NAME)),
            &format!("each {}", form::HEADER_NAME.sentence()),
        ),
        (&none_of(header::CREDENTIALS), header::CREDENTIALS_SENTENCE),
        (&none_of(header::FRAMING), header::FRAMING_SENTENCE),
    ])
}

/// A container of the application.
pub(crate) fn container() -> Value {
    rules(&[
        (
            &format!("self.matches('{}')", quoted(&form::NAME)),
            form::NAME.sentence(),
        ),
        (
            "self != 'logshipping-sidecar'",
            "is the sidecar itself: name the container that writes the files",
        ),
    ])
}

/// What a path below a volume of an application may be. Where it leads in the end is for the operator to judge.
pub(crate) fn paths() -> Value {
    let form = &form::PATH;
    rules(&[
        (
            &format!("self.all(x, x.matches('{}'))", quoted(form)),
            &format!("each {}", form.sentence()),
        ),
        (
            r"!self.exists(x, x.matches('^/(proc|sys|dev|etc)(/|$)'))",
            "/proc, /sys, /dev and /etc hold no logs of an application",
        ),
        (
            r"!self.exists(x, x.matches('^/[^/]*[*?\\[]') || x.matches('^/[^/]*$'))",
            "each must begin with a directory that is written out, such as /var/log/*.log",
        ),
    ])
}

/// Exactly one of the members.
pub(crate) fn exactly_one(members: &[&str]) -> Value {
    exactly_one_and(members, &[])
}

/// Exactly one of the members, and more rules.
pub(crate) fn exactly_one_and(members: &[&str], more: &[(&str, &str)]) -> Value {
    let (rule, message) = one_of(members);
    let mut all = vec![(rule.as_str(), message.as_str())];
    all.extend(more);
    rules(&all)
}

fn one_of(members: &[&str]) -> (String, String) {
    // `in` is a word of CEL, and escaped as a field.
    let has = |name: &&str| {
        let field = if *name == "in" { "__in__" } else { name };
        format!("has(self.{field})")
    };
    let all: Vec<_> = members.iter().map(has).collect();
    (
        format!("[{}].filter(x, x).size() == 1", all.join(", ")),
        format!("exactly one of {}", members.join(", ")),
    )
}

/// A destination has one type, and of the settings that all types share only those that its type can use.
pub(crate) fn destination() -> Value {
    let names: Vec<_> = abilities::ALL
        .iter()
        .filter(|one| !one.standalone)
        .map(|one| one.name)
        .collect();
    let (one, message) = one_of(&names);
    let any = |test: &dyn Fn(&abilities::Abilities) -> bool| {
        let chosen = abilities::ALL.iter().filter(|one| !one.standalone && test(one));
        chosen
            .map(|one| format!("has(self.{})", one.name))
            .collect::<Vec<_>>()
            .join(" || ")
    };
    rules(&[
        (&one, &message),
        (
            &format!("!has(self.proxy) || {}", any(&|one| one.url.is_some())),
            abilities::PROXY,
        ),
        (&format!("!has(self.auth) || {}", any(&|one| one.auth)), abilities::AUTH),
        (
            "!has(self.tls) || !(has(self.stdout) || (has(self.syslog) && !(has(self.syslog.protocol) && self.syslog.protocol == 'TLS')))",
            abilities::TLS_UNUSED,
        ),
        (&plain_urls(), abilities::TLS_PLAIN),
        (&compressions(), &abilities::compressions_in_words()),
    ])
}

fn plain_urls() -> String {
    let plain = abilities::ALL.iter().filter(|one| !one.standalone).filter_map(|one| {
        let (name, url) = (one.name, one.url?);
        let present = if one.url_required {
            ""
        } else {
            &format!("has(self.{name}.{url}) && ")
        };
        Some(format!(
            "(has(self.{name}) && {present}self.{name}.{url}.startsWith('http://'))"
        ))
    });
    format!("!has(self.tls) || !({})", plain.collect::<Vec<_>>().join(" || "))
}

fn compressions() -> String {
    let allowed = abilities::ALL.iter().filter(|one| !one.standalone).map(|one| {
        let names: Vec<_> = one
            .compressions
            .iter()
            .map(|one| format!("'{}'", one.as_str()))
            .collect();
        format!("(has(self.{}) && self.compression in [{}])", one.name, names.join(", "))
    });
    format!(
        "self.compression == 'Auto' || {}",
        allowed.collect::<Vec<_>>().join(" || ")
    )
}
