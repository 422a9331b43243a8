//! Restaurants that are built to be expensive: at the limits of the API, in one dimension each and in random mixtures.
//!
//! Used by `bin/test hostile`, which counts what their requests cost, and by `bin/bench hostile`, which measures it.

use chrono::{Days, NaiveDate};
use serde_json::{Value, json};

#[path = "chance.rs"]
mod chance;
#[path = "parts.rs"]
mod parts;

use chance::Chance;
use parts::{ALLERGENS, DIETS, class, euros, ring, time, zigzag};

/// The delivery zones of a restaurant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zoning {
    /// None: by distance.
    None,
    /// Three zones of ten rings with 1,500 points each, with edges close to each other.
    Lace,
    /// Fifty zones with 5,000 points; the address is in a hole of each but the last.
    Onion,
}

/// The size of each part of a restaurant.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "directions that are taken or not")]
pub struct Recipe {
    /// The name in a report.
    pub name: String,
    /// Day-parts of a minute on each category and item, at most 30.
    pub windows: usize,
    /// One of the day-parts is the whole day, so that everything can be ordered.
    pub is_served: bool,
    /// Weekly spans of a minute, at most 98.
    pub weekly: usize,
    /// Dates with 16 spans of a minute each, at most 400.
    pub dates: usize,
    /// Which delivery zones the restaurant has.
    pub zoning: Zoning,
    /// Items, in categories of five.
    pub items: usize,
    /// Groups of each item, at most 20; the menu has as many groups, and one that is nested.
    pub groups: usize,
    /// Modifiers of each group, at most 100.
    pub modifiers: usize,
    /// Each modifier has the nested group.
    pub is_nested: bool,
    /// Languages of every text, at most 20.
    pub languages: usize,
    /// Letters of each name, at most 120.
    pub letters: usize,
    /// All allergens and diets are declared, on items and modifiers.
    pub is_declared: bool,
    /// Items and modifiers have counted stock.
    pub is_counted: bool,
    /// Tax classes, at most 7; `standard` is one of them.
    pub classes: usize,
    /// Lines of a cart, at most 100.
    pub lines: usize,
    /// Chosen modifiers of all lines together.
    pub choices: usize,
    /// A note on each line, of 500 letters that Unicode decomposes.
    pub has_notes: bool,
}

/// The delivery address.
pub const ADDRESS: (f64, f64) = (44.5, 11.03);

impl Recipe {
    /// An ordinary restaurant, for comparison.
    pub fn plain() -> Self {
        Self {
            name: "plain".to_owned(),
            windows: 0,
            is_served: true,
            weekly: 7,
            dates: 0,
            zoning: Zoning::None,
            items: 60,
            groups: 2,
            modifiers: 5,
            is_nested: false,
            languages: 0,
            letters: 12,
            is_declared: false,
            is_counted: false,
            classes: 0,
            lines: 3,
            choices: 6,
            has_notes: false,
        }
    }

    /// Each dimension alone at its limit, as far as it fits into one menu.
    pub fn extremes() -> Vec<Self> {
        let of = |name: &str| Self { lines: 100, ..Self::named(name) };
        let choices = Self { groups: 20, modifiers: 75, choices: 200, items: 100, ..of("") };
        let all = vec![
            Self::plain(),
            Self { windows: 30, is_served: false, weekly: 98, dates: 400, items: 780, ..of("windows") },
            Self { weekly: 98, dates: 400, zoning: Zoning::Lace, ..of("hours and lace") },
            Self { weekly: 98, dates: 400, zoning: Zoning::Onion, classes: 7, ..of("hours and onion") },
            Self { name: "choices".to_owned(), is_declared: true, is_counted: true, classes: 7, ..choices.clone() },
            Self { name: "nested".to_owned(), is_nested: true, groups: 1, letters: 120, has_notes: true, ..choices },
            Self { languages: 20, letters: 120, items: 50, is_declared: true, ..of("languages") },
            Self { languages: 20, items: 900, modifiers: 100, ..of("brief texts") },
            Self { items: 1_800, letters: 120, has_notes: true, is_declared: true, ..of("items") },
            Self { items: 1_000, groups: 10, modifiers: 100, languages: 2, letters: 13, choices: 100, ..of("large") },
        ];
        all.into_iter().map(Self::fitting).collect()
    }

    /// An ordinary restaurant with another name.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::plain() }
    }

    /// A random mixture within the limits.
    pub fn random(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let recipe = Self {
            name: format!("seed {seed}"),
            windows: chance.size(30),
            is_served: true,
            weekly: chance.size(98).max(7),
            dates: chance.size(400),
            zoning: [Zoning::None, Zoning::Lace, Zoning::Onion][usize::from(chance.is()) + usize::from(chance.is())],
            items: chance.size(300).max(1),
            groups: chance.size(20),
            modifiers: chance.size(100).max(1),
            is_nested: chance.is(),
            languages: chance.size(20),
            letters: chance.size(120).max(12),
            is_declared: chance.is(),
            is_counted: chance.is(),
            classes: chance.size(7),
            lines: chance.size(100).max(1),
            choices: chance.size(200),
            has_notes: chance.is(),
        };
        recipe.fitting()
    }

    /// Reduced to a menu within the default limits (`MENU_MAX_*`): fewer items if there are many, else fewer
    /// modifiers, else fewer languages.
    fn fitting(mut self) -> Self {
        self.items = self.items.min(1_000);
        while (self.asks() + 1) * self.modifiers > 1_500 {
            self.modifiers = self.modifiers * 9 / 10;
        }
        while self.menu().to_string().len() > 512 << 10 || self.details() > 5_000 {
            match (self.items, self.modifiers) {
                (41.., _) => self.items = self.items * 9 / 10,
                (_, 2..) => self.modifiers = self.modifiers * 9 / 10,
                (2.., _) => self.items -= 1,
                _ => self.languages -= 1,
            }
        }
        self
    }

    /// The number of translations, day-parts and references to groups of its menu, or more.
    fn details(&self) -> usize {
        let (groups, each) = (self.asks() + 1, self.languages + self.windows);
        let modifiers = groups * self.modifiers * (self.languages + usize::from(self.is_nested));
        self.items * (each + self.asks()) + self.items.min(200) * each + groups * self.languages + modifiers
    }

    /// The groups of an item, and the nested group.
    fn asks(&self) -> usize {
        if self.modifiers == 0 { 0 } else { self.groups }
    }

    fn name(&self, what: &str, number: usize) -> String {
        let start = format!("{what} {number} ");
        let rest = self.letters.saturating_sub(start.chars().count());
        start.chars().chain("Ŧéxŧ ".chars().cycle().take(rest)).collect::<String>().trim().to_owned()
    }

    fn translations(&self, name: &str) -> Value {
        const LANGUAGES: [&str; 20] = [
            "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "ga", "hr", "hu", "it", "lt", "lv", "mt", "nl",
            "pl", "pt",
        ];
        let mut texts = json!({ "name": name });
        // Short texts are names only, so that more of them fit.
        if self.letters > 12 {
            texts["description"] = json!("é".repeat(self.letters * 5));
        }
        let all = LANGUAGES.iter().take(self.languages).map(|language| ((*language).to_owned(), texts.clone()));
        Value::Object(all.collect())
    }

    fn windows(&self, shift: usize) -> Vec<Value> {
        let window = |n: usize| {
            let from = (n * 47 + shift) % 1_439;
            json!({ "days": [1, 2, 3, 4, 5, 6, 7], "from": time(from), "to": time(from + 1) })
        };
        let whole = json!({ "days": [1, 2, 3, 4, 5, 6, 7], "from": "00:00", "to": "24:00" });
        let mut all: Vec<_> = (0..self.windows).map(window).collect();
        if let Some(last) = all.last_mut().filter(|_| self.is_served) {
            *last = whole;
        }
        all
    }

    fn declared(&self) -> (Value, Value) {
        if !self.is_declared {
            return (Value::Null, json!([]));
        }
        let allergens: Vec<_> =
            ALLERGENS.iter().map(|one| json!({ "allergen": one, "level": "MAY_CONTAIN" })).collect();
        (json!(allergens), json!(DIETS))
    }

    fn class(&self, number: usize) -> Value {
        if self.classes == 0 { Value::Null } else { json!(class(number % self.classes)) }
    }

    fn group(&self, key: &str, nested: &[&str]) -> Value {
        let (allergens, diets) = self.declared();
        let modifier = |number: usize| {
            let name = self.name("Modifier", number);
            json!({ "key": format!("{key}-{number}"), "price": euros(1), "taxClass": self.class(number),
                    "stock": self.is_counted.then_some(1_000_000), "allergens": allergens, "diets": diets,
                    "modifierGroups": nested, "translations": self.translations(&name), "name": name })
        };
        let modifiers: Vec<_> = (0..self.modifiers).map(modifier).collect();
        json!({ "key": key, "name": self.name("Group", 1), "min": 0, "max": 99, "modifiers": modifiers })
    }

    /// The body of `PUT …/menu` with another name for everything that has one.
    pub fn other_menu(&self) -> Value {
        fn renamed(value: &mut Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(name)) = fields.get_mut("name") {
                        name.replace_range(..1, "X");
                    }
                    fields.values_mut().for_each(renamed);
                }
                Value::Array(values) => values.iter_mut().for_each(renamed),
                _ => {}
            }
        }
        let mut menu = self.menu();
        renamed(&mut menu);
        menu
    }

    /// A body of `PUT …/menu` whose last item is invalid.
    pub fn faulty_menu(&self) -> Value {
        let mut menu = self.menu();
        let last = menu["categories"].as_array_mut().and_then(|all| all.last_mut());
        if let Some(category) = last {
            category["items"] = json!([{}]);
        }
        menu
    }

    /// The body of `PUT …/menu`.
    pub fn menu(&self) -> Value {
        let nested: &[&str] = if self.is_nested { &["nested"] } else { &[] };
        let mut groups: Vec<_> = (0..self.asks()).map(|group| self.group(&format!("g{group}"), nested)).collect();
        if self.is_nested && !groups.is_empty() {
            groups.push(self.group("nested", &[]));
        }
        let asked: Vec<_> = (0..self.asks()).map(|group| format!("g{group}")).collect();
        let (allergens, diets) = self.declared();
        let item = |number: usize| {
            let name = self.name("Dish", number);
            json!({ "key": format!("i{number}"), "price": euros(1_000), "taxClass": self.class(number),
                    "stock": self.is_counted.then_some(1_000_000), "dayParts": self.windows(number),
                    "allergens": allergens, "diets": diets, "modifierGroups": asked,
                    "translations": self.translations(&name), "name": name })
        };
        let items: Vec<_> = (0..self.items).map(item).collect();
        let max = self.items.div_ceil(200).max(5);
        let categories: Vec<_> = items
            .chunks(max)
            .enumerate()
            .map(|(number, items)| {
                json!({ "key": format!("c{number}"), "name": self.name("Category", number),
                        "dayParts": self.windows(number), "items": items })
            })
            .collect();
        json!({ "categories": categories, "modifierGroups": groups })
    }

    /// The body of `PUT …/hours`.
    pub fn hours(&self, today: NaiveDate) -> Value {
        let weekly: Vec<_> = (0..self.weekly)
            .map(|n| json!({ "weekday": 1 + n % 7, "opens": time(n / 7 * 90), "closes": time(n / 7 * 90 + 1) }))
            .collect();
        let exceptions: Vec<_> = (0..self.dates)
            .map(|day| {
                let spans: Vec<_> =
                    (0..16).map(|n| json!({ "opens": time(n * 71), "closes": time(n * 71 + 1) })).collect();
                json!({ "date": today + Days::new(day as u64), "spans": spans })
            })
            .collect();
        json!({ "weekly": weekly, "exceptions": exceptions })
    }

    /// The body of `PATCH /api/restaurants/{id}`.
    pub fn profile(&self) -> Value {
        let last = json!({ "cutOffMinutes": 0, "handOverMinutes": 480 });
        let classes: Vec<_> = (0..self.classes)
            .map(|number| {
                let rates = json!({ "delivery": 1_000, "pickup": 1_001, "dineIn": 1_002 });
                json!({ "name": class(number), "basisPoints": rates })
            })
            .collect();
        json!({ "slots": { "minutes": 5, "capacity": 10_000, "daysAhead": 30 }, "preparationMinutes": 15,
                "taxClasses": classes, "lastOrders": { "delivery": last, "pickup": last, "dineIn": last } })
    }

    /// The body of `PUT …/zones`.
    pub fn zones(&self) -> Value {
        let feature = |number: usize, rings: Vec<Vec<[f64; 2]>>| {
            let properties = json!({ "name": format!("Zone {number}"), "fee": { "base": euros(100) } });
            json!({ "type": "Feature", "geometry": { "type": "Polygon", "coordinates": rings },
                    "properties": properties })
        };
        let (lat, lng) = ADDRESS;
        let features: Vec<_> = match self.zoning {
            Zoning::None => Vec::new(),
            Zoning::Lace => {
                let rings = || {
                    let holes = (0..9_u32).map(|hole| zigzag(150, 11.04 + f64::from(hole) * 0.06, 44.5, 0.02));
                    std::iter::once(ring(150, 11.3, 44.5, 0.6)).chain(holes).collect()
                };
                (0..3).map(|number| feature(number, rings())).collect()
            }
            Zoning::Onion => (0..50)
                .map(|number| {
                    let outer = ring(50, lng, lat, 0.3);
                    let rings = if number == 49 { vec![outer] } else { vec![outer, ring(50, lng, lat, 0.1)] };
                    feature(number, rings)
                })
                .collect(),
        };
        json!({ "type": "FeatureCollection", "features": features })
    }

    /// Lines for a cart, an order or a quote, from the menu as it is shown.
    pub fn cart_lines(&self, menu: &Value) -> Value {
        let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let groups = array(&menu["modifierGroups"]);
        let group = |id: &Value| groups.iter().find(|one| one["id"] == *id);
        let items: Vec<_> = array(&menu["categories"]).iter().flat_map(|one| array(&one["items"])).collect();
        let mut left = self.choices;
        let lines = (0..self.lines).map(|number| {
            let item = &items[number % items.len()];
            let share = left.div_ceil(self.lines - number).min(99);
            let mut chosen = Vec::new();
            let mut taken = 0;
            // Other modifiers for each line, so that as many of them as possible are used.
            for asked in array(&item["modifierGroups"]).iter().cycle().skip(number).take(self.asks()) {
                let Some(modifiers) = group(asked).map(|group| array(&group["modifiers"])) else { continue };
                for at in 0..modifiers.len() {
                    let modifier = &modifiers[(at + number * 7) % modifiers.len()];
                    if taken >= share {
                        break;
                    }
                    let nested: Vec<_> = array(&modifier["modifierGroups"])
                        .iter()
                        .filter_map(group)
                        .flat_map(|group| array(&group["modifiers"]))
                        .take((share - taken - 1).min(99))
                        .map(|one| json!({ "modifierId": one["id"] }))
                        .collect();
                    taken += 1 + nested.len();
                    chosen.push(json!({ "modifierId": modifier["id"], "modifiers": nested }));
                }
            }
            left -= taken;
            let note = (self.has_notes && number < 4).then(|| "ﷺ".repeat(500));
            json!({ "itemId": item["id"], "quantity": 1, "modifiers": chosen, "note": note })
        });
        Value::Array(lines.collect())
    }
}
