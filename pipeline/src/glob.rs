//! Globs of a source, matched one path component at a time, so that a walk only enters directories that can hold a
//! match and a new directory is judged without walking everything again.
//!
//! Syntax: `*`, `?`, `[a-z]`, `{a,b}` (also around slashes) and `**` for any depth. Pure. The operator takes from here
//! which directories have to be shared, the sidecar which files are read: they can't disagree about a glob.

use globset::{Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

/// A source could multiply its patterns by braces without bound otherwise.
const MAX_ALTERNATIVES: usize = 64;

/// A pattern that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("{glob:?} is not a glob: {problem}")]
    Glob { glob: String, problem: String },
    #[error("{0:?} stands for more than {MAX_ALTERNATIVES} patterns: write several paths with fewer braces")]
    TooMany(String),
    #[error("{0:?} must be absolute")]
    Relative(String),
    #[error("{0:?} must not contain . or ..")]
    Dots(String),
    #[error("{0:?} names a directory: add a file name or a pattern such as *.log")]
    Directory(String),
}

#[derive(Clone, Debug)]
enum Component {
    Literal(String),
    Glob(GlobMatcher),
    /// `**`: any number of directories, none included.
    AnyDepth,
}

/// Where a directory stands in the patterns: (pattern, next component), sorted and without repetition.
pub type Positions = Vec<(u16, u16)>;

/// What a name in a directory is to a source.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// A file of this name is one of the source's files.
    pub is_match: bool,
    /// Empty when a directory of this name can't hold a match.
    pub inside: Positions,
}

/// The patterns of one source.
#[derive(Clone, Debug)]
pub struct Patterns {
    paths: Vec<Vec<Component>>,
    exclude_names: GlobSet,
    exclude_paths: GlobSet,
}

impl Patterns {
    pub fn new(paths: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        let mut patterns = Vec::new();
        for path in paths {
            for alternative in expand_braces(path)? {
                plain(&alternative, path)?;
                patterns.push(components(&alternative)?);
            }
        }
        let (by_path, by_name): (Vec<_>, Vec<_>) = exclude.iter().partition(|pattern| pattern.contains('/'));
        let anchored = |pattern: &String| match pattern.strip_prefix('/') {
            Some(_) => pattern.clone(),
            None => format!("**/{pattern}"),
        };
        Ok(Self {
            paths: patterns,
            exclude_names: glob_set(by_name.into_iter().cloned())?,
            exclude_paths: glob_set(by_path.into_iter().map(anchored))?,
        })
    }

    /// For each alternative of each pattern its deepest directory without a wildcard: `/var/log` for
    /// `/var/log/*/x.log`. What comes last is a file, wildcard or not.
    pub fn literal_directories(&self) -> impl Iterator<Item = String> + '_ {
        self.paths.iter().map(|components| {
            let parents = &components[..components.len().saturating_sub(1)];
            let literals = parents.iter().map_while(Component::literal);
            format!("/{}", literals.collect::<Vec<_>>().join("/"))
        })
    }

    /// The alternatives that name a single file.
    pub fn literal_files(&self) -> impl Iterator<Item = String> + '_ {
        let names = |components: &Vec<Component>| {
            let names: Option<Vec<_>> = components.iter().map(Component::literal).collect();
            names.map(|names| format!("/{}", names.join("/")))
        };
        self.paths.iter().filter_map(names)
    }

    /// What a path is to the patterns, wherever it is.
    pub fn at(&self, path: &str) -> Step {
        let (mut step, mut whole) = (
            Step {
                is_match: false,
                inside: self.root(),
            },
            String::new(),
        );
        for name in path.split('/').filter(|name| !name.is_empty()) {
            whole = format!("{whole}/{name}");
            step = self.step(&step.inside, name, &whole);
        }
        step
    }

    /// The position of the root directory.
    pub fn root(&self) -> Positions {
        let starts = (0..self.paths.len()).map(|index| (narrow(index), 0)).collect();
        self.close(starts)
    }

    /// What `name` in a directory with these positions is; `path` is its whole path.
    pub fn step(&self, positions: &Positions, name: &str, path: &str) -> Step {
        let mut next = Positions::new();
        let mut is_match = false;
        for &(pattern, at) in positions {
            let components = &self.paths[usize::from(pattern)];
            let Some(component) = components.get(usize::from(at)) else {
                continue;
            };
            let last = usize::from(at) + 1 == components.len();
            match component {
                // A trailing `**` takes every file below; else it stays for deeper directories.
                Component::AnyDepth => {
                    is_match |= last;
                    next.push((pattern, at));
                }
                component if component.accepts(name) => {
                    is_match |= last;
                    next.push((pattern, at + 1));
                }
                _ => {}
            }
        }
        if self.excludes(name, path) {
            is_match = false;
        }
        Step {
            is_match,
            inside: self.close(next),
        }
    }

    /// The names that can matter in a directory, when they are known beforehand and it needn't be listed.
    pub fn literals(&self, positions: &Positions) -> Option<Vec<&str>> {
        self.next(positions).map(|(component, _)| component.literal()).collect()
    }

    /// Whether a file in a directory with these positions can be a match.
    pub fn can_match_in(&self, positions: &Positions) -> bool {
        self.next(positions).any(|(_, last)| last)
    }

    /// The components that a name in the directory is compared with, and whether a match ends there.
    fn next(&self, positions: &Positions) -> impl Iterator<Item = (&Component, bool)> {
        positions.iter().filter_map(|&(pattern, at)| {
            let components = &self.paths[usize::from(pattern)];
            let component = components.get(usize::from(at))?;
            Some((component, usize::from(at) + 1 == components.len()))
        })
    }

    /// Adds the positions behind each `**`, which may stand for no directory at all, and drops the finished ones.
    fn close(&self, mut positions: Positions) -> Positions {
        let mut index = 0;
        while let Some(&(pattern, at)) = positions.get(index) {
            let components = &self.paths[usize::from(pattern)];
            if matches!(components.get(usize::from(at)), Some(Component::AnyDepth)) {
                positions.push((pattern, at + 1));
            }
            index += 1;
        }
        positions.retain(|&(pattern, at)| usize::from(at) < self.paths[usize::from(pattern)].len());
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    fn excludes(&self, name: &str, path: &str) -> bool {
        self.exclude_names.is_match(name) || self.exclude_paths.is_match(path)
    }
}

impl PatternError {
    fn of(glob: &str, error: &globset::Error) -> Self {
        Self::Glob {
            glob: glob.to_owned(),
            problem: error.kind().to_string(),
        }
    }
}

impl Component {
    fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(name) => Some(name),
            Self::Glob(_) | Self::AnyDepth => None,
        }
    }

    fn accepts(&self, name: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == name,
            Self::Glob(matcher) => matcher.is_match(name),
            Self::AnyDepth => true,
        }
    }
}

/// Patterns and components are counted in the dozens.
fn narrow(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// What a pattern can reach must be plain to see, whatever is in its braces.
fn plain(alternative: &str, pattern: &str) -> Result<(), PatternError> {
    let named = |problem: fn(String) -> PatternError| Err(problem(pattern.to_owned()));
    if !alternative.starts_with('/') {
        return named(PatternError::Relative);
    }
    if alternative.ends_with('/') {
        return named(PatternError::Directory);
    }
    if alternative.split('/').any(|part| part == "." || part == "..") {
        return named(PatternError::Dots);
    }
    Ok(())
}

fn components(pattern: &str) -> Result<Vec<Component>, PatternError> {
    pattern
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| {
            Ok(match part {
                "**" => Component::AnyDepth,
                part if part.contains(['*', '?', '[', '\\']) => Component::Glob(glob(pattern, part)?.compile_matcher()),
                part => Component::Literal(part.to_owned()),
            })
        })
        .collect()
}

fn glob(pattern: &str, part: &str) -> Result<Glob, PatternError> {
    Glob::new(part).map_err(|error| PatternError::of(pattern, &error))
}

fn glob_set(patterns: impl Iterator<Item = String>) -> Result<GlobSet, PatternError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(&pattern).literal_separator(true).build();
        set.add(glob.map_err(|error| PatternError::of(&pattern, &error))?);
    }
    set.build().map_err(|error| PatternError::of("", &error))
}

/// `a{b,c{d,e}}` becomes `ab`, `acd`, `ace`. A backslash and brackets protect what is in them.
fn expand_braces(pattern: &str) -> Result<Vec<String>, PatternError> {
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(next) = open.pop() {
        match first_group(&next) {
            None => done.push(next),
            Some((start, end)) => {
                for choice in choices(&next[start + 1..end]).into_iter().rev() {
                    open.push(format!("{}{choice}{}", &next[..start], &next[end + 1..]));
                }
            }
        }
        if open.len() + done.len() > MAX_ALTERNATIVES {
            return Err(PatternError::TooMany(pattern.to_owned()));
        }
    }
    Ok(done)
}

/// The first outermost `{...}` by the places of its braces.
fn first_group(pattern: &str) -> Option<(usize, usize)> {
    let (mut start, mut depth) = (0, 0_usize);
    for (index, byte) in plain_bytes(pattern) {
        match byte {
            b'{' => {
                if depth == 0 {
                    start = index;
                }
                depth += 1;
            }
            b'}' if depth == 1 => return Some((start, index)),
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Splits at commas that are in no inner group.
fn choices(inner: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_usize, 0);
    for (index, byte) in plain_bytes(inner) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&inner[from..index]);
                from = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[from..]);
    parts
}

/// Bytes that are neither escaped nor in a bracket expression.
fn plain_bytes(text: &str) -> impl Iterator<Item = (usize, u8)> + '_ {
    let (mut escaped, mut bracket) = (false, false);
    text.bytes().enumerate().filter(move |&(_, byte)| {
        let plain = !escaped && !bracket;
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' if !bracket => bracket = true,
            b']' if bracket => bracket = false,
            _ => {}
        }
        plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(paths: &[&str], exclude: &[&str], path: &str) -> bool {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let patterns = Patterns::new(&owned(paths), &owned(exclude)).unwrap();
        patterns.at(path).is_match
    }

    #[test]
    fn globs_match_as_users_expect() {
        let table = [
            ("/var/log/access.log", "/var/log/access.log", true),
            ("/var/log/*.log", "/var/log/a.log", true),
            ("/var/log/*.log", "/var/log/sub/a.log", false),
            ("/var/log/**/*.log", "/var/log/a.log", true),
            ("/var/log/**/*.log", "/var/log/x/y/a.log", true),
            ("/var/log/**", "/var/log/x/y", true),
            ("/var/**/log/a", "/var/log/a", true),
            ("/var/**/log/a", "/var/x/log/log/a", true),
            ("/var/log/app-[0-9].log", "/var/log/app-7.log", true),
            ("/var/log/app-[0-9].log", "/var/log/app-x.log", false),
            ("/var/log/?.log", "/var/log/ab.log", false),
            ("/var/log/{a,b}.log", "/var/log/b.log", true),
            ("/var/{log/a,tmp/{b,c}}.log", "/var/tmp/c.log", true),
            ("/var/log/\\{a,b\\}", "/var/log/{a,b}", true),
            ("/var/log/[{,}]", "/var/log/,", true),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(matches(&[pattern], &[], path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn excludes_speak_of_names_or_of_paths() {
        let all = ["/var/log/**"];
        assert!(!matches(&all, &["*.gz"], "/var/log/x/a.gz"));
        assert!(!matches(&all, &["/var/log/old/**"], "/var/log/old/a"));
        assert!(!matches(&all, &["old/*"], "/var/log/old/a"));
        assert!(matches(&all, &["/log/a", "a"], "/var/log/b"));
    }

    #[test]
    fn directories_without_a_possible_match_are_not_entered() {
        let patterns = Patterns::new(&["/var/log/*.log".to_owned()], &[]).unwrap();
        let root = patterns.root();
        assert_eq!(patterns.step(&root, "etc", "/etc").inside, []);
        let var = patterns.step(&root, "var", "/var");
        assert!(!var.is_match && !var.inside.is_empty());
    }

    #[test]
    fn braces_hide_nothing() {
        for (pattern, problem) in [
            ("/srv/{..,a}/etc/x.log", "must not contain . or .."),
            ("/srv/{a,./b}/x.log", "must not contain . or .."),
            ("/srv/{a,}", "names a directory"),
            ("{/a,b}/x.log", "must be absolute"),
            ("/srv/[a/x.log", "is not a glob"),
        ] {
            let error = Patterns::new(&[pattern.to_owned()], &[]).unwrap_err().to_string();
            assert!(error.contains(pattern) && error.contains(problem), "{pattern}: {error}");
        }
    }

    #[test]
    fn the_deepest_literal_directory_of_each_alternative() {
        for (glob, expected) in [
            ("/var/log/access.log", &["/var/log"][..]),
            ("/var/log/nginx/*.log", &["/var/log/nginx"]),
            ("/var/log/*/app.log", &["/var/log"]),
            ("/logs/**/*.log", &["/logs"]),
            ("/logs/a?/x.log", &["/logs"]),
            ("/logs/[ab]/x.log", &["/logs"]),
            ("/logs//deep/x.log", &["/logs/deep"]),
            ("/var/{log,spool}/*.log", &["/var/log", "/var/spool"]),
            ("/var/log/{a,b}.log", &["/var/log", "/var/log"]),
            ("/srv/{a,b{1,2}}/x", &["/srv/a", "/srv/b1", "/srv/b2"]),
            ("/srv/[{]/x", &["/srv"]),
            ("/x.log", &["/"]),
        ] {
            let patterns = Patterns::new(&[glob.to_owned()], &[]).unwrap();
            assert_eq!(patterns.literal_directories().collect::<Vec<_>>(), expected, "{glob}");
        }
        let patterns = Patterns::new(&["/logs/{a.log,*.txt}".to_owned()], &[]).unwrap();
        assert_eq!(patterns.literal_files().collect::<Vec<_>>(), ["/logs/a.log"]);
    }

    #[test]
    fn braces_are_bounded() {
        let bomb = "/{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b,c,d}".to_owned();
        assert!(matches!(Patterns::new(&[bomb], &[]), Err(PatternError::TooMany(_))));
    }
}
