//! `GET /api/restaurants`: search of restaurants by location, delivery address, opening hours and text.
//!
//! Statements find candidates in a stable order (nearest first, else newest). Whether one is open, and whether an
//! address is in its zones, is decided by the same pure rules as for orders. A page is filled from as many candidates
//! as needed, up to a limit; then it is shorter, and its cursor continues.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::extract::{Json, Query};
use crate::fold;
use crate::fulfilment::Fulfilment;
use crate::ids::RestaurantId;
use crate::money::{Amount, Money};
use crate::paging::{Cursor, InvalidCursor, List, Page};
use crate::place::{LatLng, Place};
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::last_orders::LeadTimes;
use crate::restaurants::sql::search::{Around, RestaurantCandidate};
use crate::restaurants::zones::{self, UsualTerms};
use crate::restaurants::{Restaurant, sql};
use crate::tenancy::TenancyContext;
use crate::text::SingleLine;
use crate::uow::Tx;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_restaurants))
}

/// The default radius of a search around a place, in metres.
const USUAL_RADIUS: f64 = 10_000.0;
/// The most candidates that are checked for one page.
const MAX_CANDIDATES: usize = 1_000;
/// The number of candidates in a batch, if they are filtered.
const BATCH: usize = 200;

/// The query parameters of the search.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct SearchQuery {
    /// Restaurants around this location (latitude and longitude), nearest first.
    #[param(value_type = Option<String>, example = "44.4938,11.3430")]
    near: Option<LatLng>,
    /// The radius around `near`, or else around `deliversTo`, in metres; default 10000.
    #[param(minimum = 1, maximum = 50000)]
    radius: Option<f64>,
    /// Only restaurants that deliver to this address, with the cost of the delivery. Distances are measured from here
    /// unless `near` is given.
    #[param(value_type = Option<String>, example = "44.4938,11.3430")]
    delivers_to: Option<LatLng>,
    /// True: only restaurants that would accept an order now.
    open_now: Option<bool>,
    /// Only restaurants that offer this fulfilment; with `openNow`, those that offer it now.
    fulfilment: Option<Fulfilment>,
    /// In which each of these words begins a word of the restaurant's name, of a cuisine, of the name of an item on the
    /// menu, or of the name of a category with items, in any language; of more than ten, the longest. Descriptions and
    /// modifiers are not searched. Case and accents do not matter, and in scripts without spaces a word is
    /// found wherever it stands. Simplified and traditional Chinese characters are different ones: a menu is found by
    /// both that has a translation into the other. What is on the menu counts also while it is not `orderable`: the
    /// menu says so, and why.
    #[param(value_type = Option<String>, example = "ramen")]
    q: Option<SingleLine<120>>,
    /// The maximum number of rows in a page, 1 to 200; default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `nextCursor` of the page before, of the same search.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// A restaurant that matches a search.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FoundRestaurant {
    #[serde(flatten)]
    restaurant: Restaurant,
    /// The straight-line distance in metres from the place of the search.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance: Option<u32>,
    /// The terms of a delivery to `deliversTo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<DeliveryHere>,
}

/// Fee, minimum and travel time of a delivery to an address.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeliveryTerms)]
struct DeliveryHere {
    /// The delivery zone; null if the restaurant has none and delivers within `DELIVERY_MAX_DISTANCE`.
    zone: Option<String>,
    /// The delivery fee of an order at the minimum; larger orders may be delivered free.
    fee: Money,
    /// The least that the lines must cost.
    minimum_order: Money,
    /// Travel time in minutes, from ready to the address.
    lead_minutes: i16,
}

/// The checked query.
struct CheckedSearch {
    around: Option<Around>,
    delivers_to: Option<Place>,
    open_now: bool,
    fulfilment: Option<Fulfilment>,
    words: Option<Vec<String>>,
    page: Page,
    nearer: Option<(f64, Uuid)>,
    limit: usize,
    /// The number of candidates in a batch; one more than the page if they are not filtered.
    batch: i64,
    /// How far restaurants without zones deliver, in metres.
    max_distance: f64,
}

impl SearchQuery {
    fn check(self, max_distance: f64) -> Result<CheckedSearch, Problem> {
        let limit = self.limit.unwrap_or(50);
        let delivers_to = self.delivers_to.map(|point| point.0);
        let middle = self.near.map(|point| point.0).or(delivers_to);
        if self.radius.is_some() && middle.is_none() {
            return Err(Problem::invalid_field("?radius", "requires near or deliversTo"));
        }
        let radius = self.radius.unwrap_or(USUAL_RADIUS);
        if !(1.0..=50_000.0).contains(&radius) {
            return Err(Problem::invalid_field("?radius", "must be between 1 and 50000 metres"));
        }
        if delivers_to.is_some() && self.fulfilment.is_some_and(|fulfilment| fulfilment != Fulfilment::Delivery) {
            return Err(Problem::invalid_field("?fulfilment", "must be DELIVERY, or absent, with deliversTo"));
        }
        let words = self.q.map(|text| fold::query_words(text.as_str()));
        let around = middle.map(|middle| Around { middle, radius });
        // Each of the two sequences has its own kind of cursor.
        let (page, nearer) = match (around, self.cursor) {
            (Some(_), Some(Cursor::Distance(metres, id))) => (Page::parse(Some(limit), None)?, Some((metres, id))),
            (Some(_), Some(Cursor::Time(..))) => {
                return Err(Problem::invalid_field("?cursor", InvalidCursor.to_string()));
            }
            (_, cursor) => (Page::parse(Some(limit), cursor)?, None),
        };
        let fulfilment = self.fulfilment.or(delivers_to.map(|_| Fulfilment::Delivery));
        let (open_now, limit) = (self.open_now.unwrap_or(false), usize::from(limit));
        let each_will_do = !open_now && fulfilment.is_none() && delivers_to.is_none();
        let batch = if each_will_do { limit + 1 } else { BATCH.max(limit + 1) };
        let batch = i64::try_from(batch).unwrap_or(i64::MAX);
        Ok(CheckedSearch { around, delivers_to, open_now, fulfilment, words, page, nearer, limit, batch, max_distance })
    }
}

fn cursor_at(candidate: RestaurantCandidate) -> String {
    match candidate.metres {
        Some(metres) => Cursor::at_distance(metres, candidate.id.uuid()),
        None => Page::cursor_at((candidate.created_at, candidate.id.uuid())),
    }
}

impl CheckedSearch {
    async fn candidates(
        &self,
        tx: &mut Tx,
        after: Option<RestaurantCandidate>,
    ) -> Result<Vec<RestaurantCandidate>, Problem> {
        let words = self.words.as_deref();
        if let Some(around) = self.around {
            let after = after.and_then(|last| Some((last.metres?, last.id.uuid()))).or(self.nearer);
            return sql::search::nearest(tx, around, after, words, self.delivers_to, self.batch).await;
        }
        let mut page = self.page;
        if let Some(last) = after {
            page.after = Some((last.created_at, last.id.uuid()));
        }
        match words {
            Some(words) => sql::search::newest_matching(tx, words, page, self.batch).await,
            None => sql::search::newest(tx, page, self.batch).await,
        }
    }

    /// Whether it offers the fulfilment, and is open now if that is requested.
    fn is_open(&self, restaurant: &Restaurant) -> bool {
        let ever = |fulfilment| {
            let hours = &restaurant.hours;
            hours.is_empty() || hours.iter().any(|span| span.fulfilments.contains(fulfilment))
        };
        match (self.open_now, self.fulfilment) {
            (true, Some(fulfilment)) => restaurant.open_for.contains(fulfilment),
            (true, None) => restaurant.open_now,
            (false, Some(fulfilment)) => ever(fulfilment),
            (false, None) => true,
        }
    }

    /// The candidates that match the query.
    async fn matching(
        &self,
        tx: &mut Tx,
        candidates: &[RestaurantCandidate],
    ) -> Result<HashMap<RestaurantId, FoundRestaurant>, Problem> {
        let now = tx.now();
        let ids: Vec<_> = candidates.iter().map(|candidate| candidate.id.uuid()).collect();
        let mut restaurants = sql::among(tx, &ids).await?;
        restaurants.retain(|restaurant| self.is_open(restaurant));
        let zones = match self.delivers_to {
            Some(delivers_to) => sql::zones::of_restaurants_near(tx, &ids, delivers_to).await?,
            None => HashMap::new(),
        };
        let distances: HashMap<_, _> = candidates.iter().map(|found| (found.id, found.metres)).collect();
        let mut found = HashMap::with_capacity(restaurants.len());
        for mut restaurant in restaurants {
            let delivery = match self.delivers_to {
                Some(delivers_to) => {
                    let zones = zones.get(&restaurant.id).map(Vec::as_slice);
                    match delivery_to(&restaurant, delivers_to, zones, self.max_distance)? {
                        Some(terms) => {
                            // The travel time to the address is known here, so the last order is that for this address.
                            let last = restaurant.last_orders.of(Fulfilment::Delivery);
                            let lead_times = LeadTimes::of(restaurant.preparation_minutes, terms.lead_minutes, last);
                            let promise = restaurant.open.promise(Fulfilment::Delivery, lead_times, now);
                            restaurant.open_for.delivery = promise.is_some();
                            restaurant.open_now = !restaurant.open_for.is_empty();
                            if self.open_now && promise.is_none() {
                                continue;
                            }
                            Some(terms)
                        }
                        None => continue,
                    }
                }
                None => None,
            };
            let metres = distances.get(&restaurant.id).copied().flatten();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 50,000")]
            let distance = metres.map(|metres| metres.round() as u32);
            found.insert(restaurant.id, FoundRestaurant { restaurant, distance, delivery });
        }
        Ok(found)
    }

    async fn find(self, tx: &mut Tx) -> Result<List<FoundRestaurant>, Problem> {
        let mut found: Vec<(RestaurantCandidate, FoundRestaurant)> = Vec::new();
        let (mut last, mut seen) = (None, 0);
        loop {
            let candidates = self.candidates(tx, last).await?;
            let exhausted = i64::try_from(candidates.len()).unwrap_or(i64::MAX) < self.batch;
            let mut matches = self.matching(tx, &candidates).await?;
            seen += candidates.len();
            last = candidates.last().copied().or(last);
            found.extend(candidates.into_iter().filter_map(|one| Some((one, matches.remove(&one.id)?))));
            let next = if found.len() > self.limit {
                found.truncate(self.limit);
                found.last().map(|(candidate, _)| *candidate)
            } else if exhausted {
                None
            } else if seen >= MAX_CANDIDATES {
                last
            } else {
                continue;
            };
            let next_cursor = next.map(cursor_at);
            return Ok(List { data: found.into_iter().map(|(_, found)| found).collect(), next_cursor });
        }
    }
}

/// The terms of a delivery to an address; `None`: it is outside every zone, or too far away.
fn delivery_to(
    restaurant: &Restaurant,
    delivers_to: Place,
    zones: Option<&[zones::DeliveryZone]>,
    max_distance: f64,
) -> Result<Option<DeliveryHere>, Problem> {
    let usual = UsualTerms {
        place: restaurant.place,
        delivery_fee: restaurant.delivery_fee.amount,
        minimum_order: restaurant.minimum_order.amount,
        rounding: restaurant.tax_rounding,
        max_distance,
    };
    match zones::terms(zones, usual, delivers_to, Amount::ZERO) {
        Ok(terms) => Ok(Some(DeliveryHere {
            zone: terms.zone,
            fee: terms.fee.of(restaurant.currency),
            minimum_order: terms.minimum_order.of(restaurant.currency),
            lead_minutes: terms.lead_minutes,
        })),
        Err(zones::NotDelivered::OutsideEveryZone | zones::NotDelivered::TooFar(_)) => Ok(None),
        Err(zones::NotDelivered::Overflow(overflow)) => Err(overflow.into()),
    }
}

/// List restaurants
///
/// Without `near` or `deliversTo`, newest first; with one of them, nearest first. A page can be shorter than `limit`
/// although there are more: continue as long as there is a `nextCursor`.
#[utoipa::path(get, path = "/api/restaurants", tag = "restaurants", params(SearchQuery), responses(
    (status = 200, description = "A page of restaurants", body = List<FoundRestaurant>),
    (status = 422, description = "A parameter is not valid",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_restaurants(
    State(app): State<Arc<App>>,
    Query(search): Query<SearchQuery>,
) -> Result<Json<List<FoundRestaurant>>, Problem> {
    let checked = search.check(app.config.orders.max_distance)?;
    let found =
        app.db.read(TenancyContext::anonymous(), move |tx| Box::pin(async move { checked.find(tx).await })).await?;
    Ok(Json(found))
}
