//! Replaces a whole menu, from a document, a table or another restaurant's menu: all or nothing, and repeating it
//! changes nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::config::Menus;
use crate::extract::IfMatch;
use crate::ids::RestaurantId;
use crate::menu::desired::{Rules, StockPolicy, desired_menu};
use crate::menu::diff::{self, EntityChange};
use crate::menu::document::Document;
use crate::menu::sql::document::{PreparedRows, RemovedEntities};
use crate::menu::table::Table;
use crate::menu::{Contents, Group, Modifier, sql};
use crate::money::Currency;
use crate::problem::{FieldError, Problem};
use crate::restaurants;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The changes that a new menu makes, or would make.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MenuDifference {
    /// False for a dry run, or if there is no difference.
    pub applied: bool,
    /// The version of the menu now.
    pub version: i64,
    /// All changes; empty if the menu is the same.
    pub changes: Vec<EntityChange>,
}

/// Where a menu comes from.
pub enum MenuSource {
    /// From a document.
    Document(Document),
    /// From a table, which does not state its language.
    Table(Table),
    /// From another restaurant's menu, with the currency of its prices.
    Restaurant(Document, Currency),
}

/// The options of a replacement.
#[derive(Clone, Copy)]
pub struct ReplaceOptions {
    /// Only compute the changes.
    pub dry_run: bool,
    /// The version that the menu must still have.
    pub if_match: IfMatch,
    /// The limits of a menu.
    pub bounds: Menus,
}

/// All contents of the menu.
pub async fn contents(tx: &mut Tx, restaurant: RestaurantId) -> Result<Contents, Problem> {
    sql::contents(tx, restaurant).await?.ok_or_else(Problem::not_found)
}

/// The changes to the current menu, and the rows to write.
struct Plan {
    /// The version of the menu that it was planned from.
    version: i64,
    changes: Vec<EntityChange>,
    /// `None`: nothing is to be written.
    writes: Option<MenuWrites>,
}

/// The rows of a new menu, as they are written: `None` where there are none.
struct MenuWrites {
    categories: Option<PreparedRows>,
    groups: Option<[PreparedRows; 2]>,
    items: Option<PreparedRows>,
    /// Items and modifiers that were not counted before, with their stock.
    counts: [Vec<(Uuid, i32)>; 2],
    removed: RemovedEntities,
    language: Option<String>,
}

impl MenuWrites {
    fn of(current: &Contents, desired: Contents) -> Result<Self, serde_json::Error> {
        let categories = changed(&current.categories, &desired.categories, |one| one.id.uuid());
        let groups = changed(&current.groups, &desired.groups, |one| one.id.uuid());
        let items = changed(&current.items, &desired.items, |one| one.id.uuid());
        let counts = |contents: &Contents| {
            let items = contents.items.iter().filter_map(|one| Some((one.id.uuid(), one.stock?)));
            let modifiers = modifiers(&contents.groups).filter_map(|one| Some((one.id.uuid(), one.stock?)));
            (items.collect::<Vec<_>>(), modifiers.collect::<Vec<_>>())
        };
        let (before, after) = (counts(current), counts(&desired));
        let rows_of_groups =
            || Ok([PreparedRows::of_groups(&groups)?, PreparedRows::of_modifiers(&groups, &current.groups)?]);
        Ok(Self {
            categories: non_empty(&categories).map(PreparedRows::of_categories).transpose()?,
            groups: non_empty(&groups).map(|_| rows_of_groups()).transpose()?,
            items: non_empty(&items).map(|items| PreparedRows::of_items(items, &current.items)).transpose()?,
            counts: [newly_counted(&before.0, after.0), newly_counted(&before.1, after.1)],
            removed: removed(current, &desired),
            language: desired.language,
        })
    }
}

fn non_empty<T>(all: &[T]) -> Option<&[T]> {
    (!all.is_empty()).then_some(all)
}

impl MenuSource {
    /// Computes the new menu and the changes. This takes processor time, so it runs on the threads of `heavy`.
    fn plan(&self, current: &Contents, rules: &Rules, dry_run: bool) -> Result<Plan, Problem> {
        let desired = match self {
            Self::Document(document) => desired_menu(document, current, rules),
            Self::Table(table) => desired_menu(&table.document, current, rules)
                .map(|desired| Contents { language: current.language.clone(), ..desired })
                .map_err(|faults| table.locate(faults)),
            Self::Restaurant(_, currency) if *currency != current.currency => {
                let message = format!("has prices in {}, and this menu's are in {currency}", current.currency);
                return Err(Problem::invalid_field("/to", message));
            }
            Self::Restaurant(document, _) => desired_menu(document, current, rules).map_err(copy_errors),
        };
        let desired = desired.map_err(Problem::invalid)?;
        let changes = diff::between(current, &desired);
        let is_written = !dry_run && !changes.is_empty();
        let writes = is_written.then(|| MenuWrites::of(current, desired)).transpose();
        let writes = writes.map_err(|error| Problem::internal(&error))?;
        Ok(Plan { version: current.version, changes, writes })
    }

    const fn stock_policy(&self) -> StockPolicy {
        if matches!(self, Self::Restaurant(..)) { StockPolicy::Unchanged } else { StockPolicy::FromDocument }
    }
}

/// The most attempts to plan a menu that changes meanwhile; after them it is planned under its lock.
const MAX_PLANS: usize = 3;

/// Replaces the menu. The changes are planned outside the transaction that writes them, which uses the plan only if the
/// menu has not changed since.
pub async fn replace(
    app: &App,
    scope: RestaurantScope,
    source: MenuSource,
    options: ReplaceOptions,
) -> Result<MenuDifference, Problem> {
    let source = Arc::new(source);
    for _ in 0..MAX_PLANS {
        let read = app.db.read(scope, move |tx| {
            Box::pin(async move {
                let current = contents(tx, scope.restaurant()).await?;
                Ok((current, restaurants::sql::tax::names(tx, scope.restaurant()).await?))
            })
        });
        let (current, tax_classes) = read.await?;
        options.if_match.check(current.version, json!({ "version": current.version }))?;
        let rules =
            Rules { stock_policy: source.stock_policy(), bounds: options.bounds, tax_classes: tax_classes.clone() };
        let from = Arc::clone(&source);
        let plan = Arc::new(app.heavy.run(scope.into(), move || from.plan(&current, &rules, options.dry_run)).await??);
        let version = plan.version;
        let planned = Arc::clone(&plan);
        let written = if plan.writes.is_none() {
            Some(false)
        } else {
            let write = app.db.write(scope, move |tx| {
                Box::pin(async move {
                    sql::lock_menu(tx, &scope).await?;
                    sql::document::lock(tx, &scope).await?;
                    let is_as_planned = sql::version(tx, &scope).await? == planned.version
                        && restaurants::sql::tax::hold(tx, &scope).await? == tax_classes;
                    if !is_as_planned {
                        return Ok(None);
                    }
                    apply(tx, &scope, planned.writes.as_ref()).await.map(Some)
                })
            });
            write.await?
        };
        if let Some(applied) = written {
            let version = if applied { version + 1 } else { version };
            let changes = Arc::try_unwrap(plan).map_or_else(|plan| plan.changes.clone(), |plan| plan.changes);
            return Ok(MenuDifference { applied, version, changes });
        }
    }
    replace_locked(app, scope, source, options).await
}

/// The same for a menu that changes faster than it can be planned, for example when many items are about to sell out:
/// it is planned under its lock, still on separate threads.
async fn replace_locked(
    app: &App,
    scope: RestaurantScope,
    source: Arc<MenuSource>,
    options: ReplaceOptions,
) -> Result<MenuDifference, Problem> {
    let heavy = app.heavy.clone();
    let write = app.db.write(scope, move |tx| {
        Box::pin(async move {
            sql::lock_menu(tx, &scope).await?;
            sql::document::lock(tx, &scope).await?;
            let current = contents(tx, scope.restaurant()).await?;
            options.if_match.check(current.version, json!({ "version": current.version }))?;
            let tax_classes = restaurants::sql::tax::hold(tx, &scope).await?;
            let rules = Rules { stock_policy: source.stock_policy(), bounds: options.bounds, tax_classes };
            let plan = heavy.run(scope.into(), move || source.plan(&current, &rules, options.dry_run)).await??;
            let applied = apply(tx, &scope, plan.writes.as_ref()).await?;
            let version = if applied { plan.version + 1 } else { plan.version };
            Ok(MenuDifference { applied, version, changes: plan.changes })
        })
    });
    write.await
}

/// The errors of a copied menu, such as a tax class that the other restaurant does not have.
fn copy_errors(faults: Vec<FieldError>) -> Vec<FieldError> {
    let copy_errors = |fault: FieldError| {
        FieldError::invalid("/to", format!("cannot have this menu: {} {}", fault.pointer, fault.message))
    };
    faults.into_iter().map(copy_errors).collect()
}

/// Writes the changes: referenced entities before those that refer to them, deletions last. False: there are none.
async fn apply(tx: &mut Tx, scope: &RestaurantScope, writes: Option<&MenuWrites>) -> Result<bool, Problem> {
    let Some(writes) = writes else { return Ok(false) };
    if let Some(categories) = &writes.categories {
        sql::document::save_categories(tx, scope, categories).await?;
    }
    if let Some([groups, modifiers]) = &writes.groups {
        sql::document::save_groups(tx, scope, groups).await?;
        sql::document::save_modifiers(tx, scope, modifiers).await?;
    }
    if let Some(items) = &writes.items {
        sql::document::save_items(tx, scope, items).await?;
    }
    let [items, modifiers] = &writes.counts;
    if !items.is_empty() || !modifiers.is_empty() {
        sql::document::count(tx, scope, items, modifiers).await?;
    }
    sql::document::hide(tx, scope, &writes.removed).await?;
    // A document is bounded by its own bytes.
    let _ = sql::edited(tx, scope).await?;
    sql::set_language(tx, scope, writes.language.as_deref()).await?;
    Ok(true)
}

fn newly_counted(before: &[(Uuid, i32)], mut after: Vec<(Uuid, i32)>) -> Vec<(Uuid, i32)> {
    let before: HashSet<_> = before.iter().map(|(id, _)| *id).collect();
    after.retain(|(id, _)| !before.contains(id));
    after
}

fn modifiers(groups: &[Group]) -> impl Iterator<Item = &Modifier> {
    groups.iter().flat_map(|group| &group.modifiers)
}

/// The new and changed entities.
fn changed<'a, T: PartialEq>(before: &[T], after: &'a [T], id: impl Fn(&T) -> Uuid) -> Vec<&'a T> {
    let before: HashMap<_, _> = before.iter().map(|old| (id(old), old)).collect();
    after.iter().filter(|new| before.get(&id(new)).is_none_or(|old| old != new)).collect()
}

fn removed(before: &Contents, after: &Contents) -> RemovedEntities {
    fn missing(before: impl Iterator<Item = Uuid>, after: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
        let kept: HashSet<_> = after.collect();
        before.filter(|id| !kept.contains(id)).collect()
    }
    let ids = |groups| modifiers(groups).map(|one| one.id.uuid());
    RemovedEntities {
        items: missing(before.items.iter().map(|one| one.id.uuid()), after.items.iter().map(|one| one.id.uuid())),
        modifiers: missing(ids(&before.groups), ids(&after.groups)),
        groups: missing(before.groups.iter().map(|one| one.id.uuid()), after.groups.iter().map(|one| one.id.uuid())),
        categories: missing(
            before.categories.iter().map(|one| one.id.uuid()),
            after.categories.iter().map(|one| one.id.uuid()),
        ),
    }
}
