//! A whole menu put in the place of another, from a document, from a table or from another restaurant: all or nothing, and
//! the same again changes nothing.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::difference::{self, Change};
use super::document::Document;
use super::sql::whole::Gone;
use super::table::Table;
use super::target::{Kitchen, Rules, target};
use super::{Contents, Group, Modifier, sql};
use crate::config::Menus;
use crate::ids::RestaurantId;
use crate::problem::{FieldError, Problem};
use crate::restaurants;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;
use crate::wire::IfMatch;

/// What a new menu changes, or would change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MenuDifference {
    /// False: it was a dry run, or there is no difference.
    pub applied: bool,
    /// The menu's version now.
    pub version: i64,
    /// Every change; none: it is the menu already.
    pub changes: Vec<Change>,
}

/// Where a menu comes from.
pub enum Source {
    /// From whoever keeps it elsewhere.
    Document(Document),
    /// The same as a table, which does not say in which language it is written.
    Table(Table),
    /// From another restaurant.
    Restaurant(Document),
}

/// How to put it there.
#[derive(Clone, Copy)]
pub struct How {
    /// Only tell the difference.
    pub dry_run: bool,
    /// The version that the menu must still have.
    pub if_match: IfMatch,
    /// What a menu may hold.
    pub bounds: Menus,
}

/// Everything on the menu.
pub async fn contents(tx: &mut Tx, restaurant: RestaurantId) -> Result<Contents, Problem> {
    sql::contents(tx, restaurant).await?.ok_or_else(Problem::not_found)
}

/// Makes the menu what its source says.
pub async fn replace(
    tx: &mut Tx,
    scope: &RestaurantScope,
    source: Source,
    how: How,
) -> Result<MenuDifference, Problem> {
    sql::take_turns(tx, scope).await?;
    if !how.dry_run {
        sql::whole::lock(tx, scope).await?;
    }
    let current = contents(tx, scope.restaurant()).await?;
    how.if_match.check(current.version, json!({ "version": current.version }))?;
    let tax_classes = restaurants::sql::tax::hold(tx, scope).await?;
    let kitchen = if matches!(source, Source::Restaurant(_)) { Kitchen::Own } else { Kitchen::AsSaid };
    let rules = Rules { kitchen, bounds: how.bounds, tax_classes };
    let target = match source {
        Source::Document(document) => target(&document, &current, &rules),
        Source::Restaurant(document) => target(&document, &current, &rules).map_err(unfit),
        Source::Table(mut table) => {
            table.document.language.clone_from(&current.language);
            target(&table.document, &current, &rules).map_err(|faults| table.places(faults))
        }
    };
    let target = target.map_err(Problem::invalid)?;
    let changes = difference::between(&current, &target);
    let applied = !how.dry_run && !changes.is_empty();
    if applied {
        apply(tx, scope, &current, &target).await?;
    }
    let version = if applied { current.version + 1 } else { current.version };
    Ok(MenuDifference { applied, version, changes })
}

/// What the menu of one restaurant cannot be in another, such as in a tax class that is not there.
fn unfit(faults: Vec<FieldError>) -> Vec<FieldError> {
    let unfit = |fault: FieldError| {
        FieldError::invalid("/to", format!("cannot have this menu: {} {}", fault.pointer, fault.message))
    };
    faults.into_iter().map(unfit).collect()
}

/// Writes what differs: first what others name, last what goes.
async fn apply(tx: &mut Tx, scope: &RestaurantScope, current: &Contents, target: &Contents) -> Result<(), Problem> {
    let categories = changed(&current.categories, &target.categories, |one| one.id.uuid());
    if !categories.is_empty() {
        sql::whole::save_categories(tx, scope, &categories).await?;
    }
    let groups = changed(&current.groups, &target.groups, |one| one.id.uuid());
    if !groups.is_empty() {
        sql::whole::save_groups(tx, scope, &groups).await?;
    }
    let items = changed(&current.items, &target.items, |one| one.id.uuid());
    if !items.is_empty() {
        sql::whole::save_items(tx, scope, &items).await?;
    }
    let counts = |contents: &Contents| {
        let items = contents.items.iter().filter_map(|one| Some((one.id.uuid(), one.stock?)));
        let modifiers = modifiers(&contents.groups).filter_map(|one| Some((one.id.uuid(), one.stock?)));
        (items.collect::<Vec<_>>(), modifiers.collect::<Vec<_>>())
    };
    let (before, after) = (counts(current), counts(target));
    let (items, modifiers) = (newly_counted(&before.0, after.0), newly_counted(&before.1, after.1));
    if !items.is_empty() || !modifiers.is_empty() {
        sql::whole::count(tx, scope, &items, &modifiers).await?;
    }
    let gone = gone(current, target);
    sql::whole::hide(tx, scope, &gone).await?;
    sql::edited(tx, scope).await?;
    sql::set_language(tx, scope, target.language.as_deref()).await
}

fn newly_counted(before: &[(Uuid, i32)], mut after: Vec<(Uuid, i32)>) -> Vec<(Uuid, i32)> {
    let before: HashSet<_> = before.iter().map(|(id, _)| *id).collect();
    after.retain(|(id, _)| !before.contains(id));
    after
}

fn modifiers(groups: &[Group]) -> impl Iterator<Item = &Modifier> {
    groups.iter().flat_map(|group| &group.modifiers)
}

/// What is new or another.
fn changed<'a, T: PartialEq>(before: &[T], after: &'a [T], id: impl Fn(&T) -> Uuid) -> Vec<&'a T> {
    let before: HashMap<_, _> = before.iter().map(|old| (id(old), old)).collect();
    after.iter().filter(|new| before.get(&id(new)).is_none_or(|old| old != new)).collect()
}

fn gone(before: &Contents, after: &Contents) -> Gone {
    fn missing(before: impl Iterator<Item = Uuid>, after: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
        let kept: HashSet<_> = after.collect();
        before.filter(|id| !kept.contains(id)).collect()
    }
    let ids = |groups| modifiers(groups).map(|one| one.id.uuid());
    Gone {
        items: missing(before.items.iter().map(|one| one.id.uuid()), after.items.iter().map(|one| one.id.uuid())),
        modifiers: missing(ids(&before.groups), ids(&after.groups)),
        groups: missing(before.groups.iter().map(|one| one.id.uuid()), after.groups.iter().map(|one| one.id.uuid())),
        categories: missing(
            before.categories.iter().map(|one| one.id.uuid()),
            after.categories.iter().map(|one| one.id.uuid()),
        ),
    }
}
