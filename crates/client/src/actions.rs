//! The actions of users on the API, one method for each route: customers, staff, drivers and administrators.

use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

use crate::call::{Call, CallError};
use crate::wire::{
    Cart, CartLine, Category, Delivery, DeliveryStatus, Driver, Item, Menu, Money, NewRestaurant, Order, OrderStatus,
    Page, Place, Restaurant,
};
use crate::{Client, Session};

impl Client {
    /// The restaurants, a page of at most 200 at a time.
    pub async fn restaurants(&self, cursor: Option<&str>) -> Result<Page<Restaurant>, CallError> {
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path = format!("/api/restaurants?limit=200{after}");
        self.answer(&Call::get("list restaurants", path), None).await?.read()
    }

    /// A restaurant's menu as customers see it.
    pub async fn menu(&self, restaurant: &str) -> Result<Menu, CallError> {
        self.answer(&Call::get("read menu", format!("/api/restaurants/{restaurant}/menu")), None).await?.read()
    }
}

/// Administrators and owners.
impl Session {
    /// Creates a restaurant.
    pub async fn create_restaurant(&self, restaurant: &NewRestaurant) -> Result<Restaurant, CallError> {
        self.answer(Call::create("create restaurant", "/api/restaurants", json!(restaurant))).await?.read()
    }

    /// Makes a user a member of a restaurant without an invitation, which only an administrator can.
    pub async fn add_member(&self, restaurant: &str, user: &str, role: &str) -> Result<(), CallError> {
        let path = format!("/api/restaurants/{restaurant}/members");
        self.answer(Call::create("add member", path, json!({ "userId": user, "role": role }))).await.map(drop)
    }

    /// Creates a category.
    pub async fn create_category(&self, restaurant: &str, name: &str) -> Result<Category, CallError> {
        let path = format!("/api/restaurants/{restaurant}/categories");
        self.answer(Call::create("create category", path, json!({ "name": name }))).await?.read()
    }

    /// Creates an item.
    pub async fn create_item(
        &self,
        restaurant: &str,
        category: &str,
        name: &str,
        price: &Money,
    ) -> Result<Item, CallError> {
        let path = format!("/api/restaurants/{restaurant}/items");
        let body = json!({ "categoryId": category, "name": name, "price": price });
        self.answer(Call::create("create item", path, body)).await?.read()
    }

    /// Makes a user a driver.
    pub async fn create_driver(&self, user: &str, vehicle: &str) -> Result<Driver, CallError> {
        let body = json!({ "userId": user, "vehicle": vehicle });
        self.answer(Call::create("create driver", "/api/admin/drivers", body)).await?.read()
    }
}

/// Customers and the kitchen.
impl Session {
    /// Replaces the customer's cart at a restaurant.
    pub async fn put_cart(&self, restaurant: &str, lines: &[CartLine]) -> Result<Cart, CallError> {
        let path = format!("/api/restaurants/{restaurant}/cart");
        self.answer(Call::send("put cart", Method::PUT, path, json!({ "lines": lines }))).await?.read()
    }

    /// Places an order. A caller who does not know whether an earlier attempt arrived passes the key of that attempt.
    pub async fn place_order(&self, order: &(impl Serialize + Sync), key: &str) -> Result<Order, CallError> {
        let call = Call::create("place order", "/api/orders", json!(order));
        self.answer(Call { idempotency_key: Some(key.to_owned()), ..call }).await?.read()
    }

    /// The orders of a restaurant with a status, newest first: at most 200.
    pub async fn orders_of(&self, restaurant: &str, status: OrderStatus) -> Result<Page<Order>, CallError> {
        let name = json!(status);
        let name = name.as_str().unwrap_or_default();
        let path = format!("/api/orders?restaurantId={restaurant}&status={name}&limit=200");
        self.answer(Call::get("list orders", path)).await?.read()
    }

    /// Switches an item on or off.
    pub async fn set_available(&self, restaurant: &str, item: &str, available: bool) -> Result<(), CallError> {
        let path = format!("/api/restaurants/{restaurant}/items/{item}/availability");
        self.answer(Call::send("set item", Method::PUT, path, json!({ "available": available }))).await.map(drop)
    }

    /// Sets the stock of an item.
    pub async fn restock(&self, restaurant: &str, item: &str, portions: i32) -> Result<(), CallError> {
        let path = format!("/api/restaurants/{restaurant}/items/{item}");
        self.answer(Call::send("restock item", Method::PATCH, path, json!({ "stock": portions }))).await.map(drop)
    }

    /// Gets an order that the user may see.
    pub async fn order(&self, order: &str) -> Result<Order, CallError> {
        self.answer(Call::get("read order", format!("/api/orders/{order}"))).await?.read()
    }

    /// An order as JSON.
    pub async fn order_document(&self, order: &str) -> Result<Value, CallError> {
        self.answer(Call::get("read order", format!("/api/orders/{order}"))).await?.read()
    }

    /// Changes the status of an order.
    pub async fn advance(&self, order: &str, to: OrderStatus, reason: Option<&str>) -> Result<Order, CallError> {
        let path = format!("/api/orders/{order}/status");
        let call = Call::send("advance order", Method::PATCH, path, with_reason(json!({ "status": to }), reason));
        match self.answer(call).await {
            // The response to an earlier attempt may have been lost after the change was made.
            Err(error) if error.status() == Some(409) => match self.order(order).await? {
                there if there.status == to => Ok(there),
                _ => Err(error),
            },
            Err(error) => Err(error),
            Ok(answer) => answer.read(),
        }
    }
}

/// Drivers, and the staff who assign them.
impl Session {
    /// The delivery of an order, which exists from the confirmation on.
    pub async fn delivery_of(&self, order: &str) -> Result<Option<Delivery>, CallError> {
        let call = Call::get("find delivery", format!("/api/deliveries?orderId={order}"));
        let page: Page<Delivery> = self.answer(call).await?.read()?;
        Ok(page.data.into_iter().next())
    }

    /// Gets a delivery that the user may see.
    pub async fn delivery(&self, delivery: &str) -> Result<Delivery, CallError> {
        self.answer(Call::get("read delivery", format!("/api/deliveries/{delivery}"))).await?.read()
    }

    /// A delivery as JSON.
    pub async fn delivery_document(&self, delivery: &str) -> Result<Value, CallError> {
        self.answer(Call::get("read delivery", format!("/api/deliveries/{delivery}"))).await?.read()
    }

    /// Assigns a delivery to a driver, or to the nearest available one. `None`: none is available.
    pub async fn assign(&self, delivery: &str, driver: Option<&str>) -> Result<Option<Delivery>, CallError> {
        let path = format!("/api/deliveries/{delivery}/assign");
        let body = driver.map_or_else(|| json!({}), |driver| json!({ "driverId": driver }));
        match self.answer(Call::create("assign delivery", path, body)).await {
            Err(error) if error.code() == Some("no_driver_available") => Ok(None),
            // An earlier attempt may have succeeded.
            Err(error) if error.status() == Some(409) && driver.is_none() => match self.delivery(delivery).await? {
                there if there.driver.is_some() => Ok(Some(there)),
                _ => Err(error),
            },
            Err(error) => Err(error),
            Ok(answer) => answer.read().map(Some),
        }
    }

    /// Changes the status of a delivery.
    pub async fn advance_delivery(
        &self,
        delivery: &str,
        to: DeliveryStatus,
        reason: Option<&str>,
    ) -> Result<Delivery, CallError> {
        let path = format!("/api/deliveries/{delivery}/status");
        let call = Call::send("advance delivery", Method::PATCH, path, with_reason(json!({ "status": to }), reason));
        match self.answer(call).await {
            Err(error) if error.status() == Some(409) => match self.delivery(delivery).await? {
                there if there.status == to => Ok(there),
                _ => Err(error),
            },
            Err(error) => Err(error),
            Ok(answer) => answer.read(),
        }
    }

    /// Goes on duty at a location.
    pub async fn go_online(&self, place: Place) -> Result<Driver, CallError> {
        let body = json!({ "status": "AVAILABLE", "place": place });
        self.answer(Call::send("set availability", Method::PUT, "/api/drivers/me/availability", body)).await?.read()
    }

    /// Takes the driver off duty.
    pub async fn go_offline(&self) -> Result<(), CallError> {
        let body = json!({ "status": "OFFLINE" });
        self.answer(Call::send("set availability", Method::PUT, "/api/drivers/me/availability", body)).await.map(drop)
    }

    /// Reports the driver's location.
    pub async fn share_location(&self, place: Place) -> Result<(), CallError> {
        let body = json!({ "place": place });
        self.answer(Call::send("share location", Method::POST, "/api/drivers/me/location", body)).await.map(drop)
    }
}

fn with_reason(mut body: Value, reason: Option<&str>) -> Value {
    if let Some(reason) = reason {
        body["reason"] = json!(reason);
    }
    body
}
