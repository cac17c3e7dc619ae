//! Which repositories a search finds, by each forge's own rules.
use super::{
    Kind,
    scene::{Query, is_fork, param, parts},
};

const NAMES: [&str; 3] = ["octo/hello", "octo/empty", "fan/hello"];
/// A mirror at Gitea.
pub(super) const MIRROR: &str = "octo/looking-glass";
/// So many repositories are called after a crowd: the forks come first.
const FORKS: usize = 120;
const OTHERS: usize = 130;
/// The longest page that the operator of this Gitea allows.
const GITEA_PAGE: usize = 30;

/// What a search comes to.
pub(super) enum Found {
    /// Full names, and whether there is another page.
    Page(Vec<String>, bool),
    /// The forge does not search for that.
    Unprocessable,
}

/// What the forge says of `octo/empty`.
pub(super) fn description(full: &str) -> &'static str {
    if full == "octo/empty" { "Nothing, or a shell" } else { "" }
}

/// The answer of a path that searches.
pub(super) fn search(kind: Kind, path: &str, query: &Query) -> Option<Found> {
    Some(match (kind, path) {
        (Kind::GitHub, "user/repos") => page(names("").iter(), query, 100),
        (Kind::GitHub, "search/repositories") => github(query),
        (Kind::GitLab, "projects") => {
            let text = param(query, "search").to_lowercase();
            let all = names(&text);
            page(all.iter().filter(|full| text.split(' ').all(|word| full.contains(word))), query, 100)
        }
        (Kind::Gitea | Kind::Forgejo, "repos/search") => gitea(query),
        _ => return None,
    })
}

/// All there is to search for `text`.
fn names(text: &str) -> Vec<String> {
    if text.contains("crowd") {
        let name = |at: usize| format!("{}/crowd-{at}", if at < FORKS { "fan" } else { "octo" });
        return (0..FORKS + OTHERS).map(name).collect();
    }
    NAMES.iter().map(|name| (*name).to_owned()).collect()
}

fn page<'a>(found: impl Iterator<Item = &'a String>, query: &Query, longest: usize) -> Found {
    let number = |name| param(query, name).parse::<usize>().ok();
    let size = number("per_page").or(number("limit")).unwrap_or(20).min(longest);
    let from = (number("page").unwrap_or(1) - 1) * size;
    let mut rest = found.skip(from);
    let names: Vec<_> = rest.by_ref().take(size).cloned().collect();
    Found::Page(names, rest.next().is_some())
}

/// Words, phrases in quotes and qualifiers, which are such only outside of quotes.
fn github(query: &Query) -> Found {
    let text = param(query, "q");
    let (mut words, mut owner, mut forks) = (Vec::new(), None, false);
    for (at, part) in text.split('"').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_lowercase());
            continue;
        }
        for token in part.split_whitespace() {
            match token.split_once(':') {
                Some(("user" | "org", name)) => owner = Some(name),
                Some(("fork", "true")) => forks = true,
                Some(_) => {}
                None => words.push(token.to_lowercase()),
            }
        }
    }
    if text.is_empty() || owner.is_some_and(|owner| !["octo", "fan", "octo-org"].contains(&owner)) {
        return Found::Unprocessable;
    }
    let all = names(text);
    let fits = |full: &&String| {
        let (of, name) = parts(full);
        words.iter().all(|word| name.contains(word.as_str()))
            && owner.is_none_or(|owner| of == owner)
            && (forks || !is_fork(full))
    };
    page(all.iter().filter(fits), query, 100)
}

/// What stands between commas, as it is; the description only if it is asked for.
fn gitea(query: &Query) -> Found {
    let text = param(query, "q").to_lowercase();
    let mut all = names(&text);
    all.push(MIRROR.to_owned());
    let source = param(query, "mode") == "source";
    let fits = |full: &&String| {
        let (of, name) = parts(full);
        let described = |part: &str| {
            param(query, "includeDesc") == "true" && description(full).to_lowercase().contains(part)
        };
        let both =
            text.split_once('/').is_some_and(|(owner, rest)| of.contains(owner) && name.contains(rest));
        (both || text.split(',').any(|part| name.contains(part) || described(part)))
            && (param(query, "uid") != "1" || of == "octo")
            && !(source && (is_fork(full) || *full == MIRROR))
    };
    page(all.iter().filter(fits), query, GITEA_PAGE)
}
