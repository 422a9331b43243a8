//! A whole menu as a table of CSV, and from another restaurant.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::menu_document::{euros, id_at, menu, pizzeria, puts, versions};
use crate::people::Person;
use crate::reply::Reply;
use crate::shop::Shop;

async fn sends_csv(person: &Person, path: &str, table: &str) -> Reply {
    let request = person.request(Method::POST, path).header("content-type", "text/csv").body(table.to_owned());
    person.send(request).await
}

#[tokio::test]
async fn an_exported_csv_imports_as_the_same_menu() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    puts(&luigi, &pizzeria()).await.expect(200);
    let path = luigi.path("/menu.csv");
    let table = luigi.owner.get(&path).await;
    assert_eq!(table.status, 200);
    assert_eq!(table.header("content-disposition"), "attachment; filename=\"menu.csv\"");
    let text = table.text();
    assert!(text.contains("\"'=Aglio, \"\"origano\"\"\""), "no formula: {text}");
    let document = luigi.owner.get(&luigi.path("/menu/document")).await.expect(200);
    let same = sends_csv(&luigi.owner, &path, &text).await.expect(200);
    assert_eq!((&same["applied"], &same["changes"]), (&json!(false), &json!([])));
    assert_eq!(luigi.owner.get(&luigi.path("/menu/document")).await.expect(200), document);
    let dearer = text.replace("8.50", "9");
    let changed = sends_csv(&luigi.owner, &format!("{path}?dryRun=true"), &dearer).await.expect(200);
    assert_eq!(
        changed["changes"][0]["fields"],
        json!([{ "field": "price", "before": euros(850), "after": euros(900) }])
    );
    // As spreadsheets write it where prices are 8,50; and with moved columns.
    let other = luigi.owner.get(&format!("{path}?separator=semicolon")).await.text();
    assert!(other.starts_with("\u{feff}type;key;") && other.contains(";8,50;EUR;"), "{other}");
    assert_eq!(sends_csv(&luigi.owner, &path, &other).await.expect(200)["changes"], json!([]));
    let few = "name\tkey\tcurrency\ttype\tin\tprice\nPizze\tp\t\tcategory\n\nBianca\tb\tEUR\titem\tp\t4,5\n";
    sends_csv(&luigi.owner, &path, few).await.expect(200);
    assert_eq!(menu(&luigi).await["categories"][0]["items"][0]["price"], euros(450));
    // Empty columns that a spreadsheet added after the last one.
    let wide = "type,key,in,name,price,currency,,, \ncategory,p,,Pizze,,,,,\nitem,b,p,Bianca,4.5,EUR,,,\n";
    assert_eq!(sends_csv(&luigi.owner, &path, wide).await.expect(200)["changes"], json!([]));
    let beyond = format!("{wide}item,c,p,Cotto,4.5,EUR,,x,\n");
    sends_csv(&luigi.owner, &path, &beyond).await.refused(422, "invalid_request");
    // Or before and between the others; and with the byte order mark, headings and encoding of Excel.
    let gaps = ",type,key,,in,name,price,currency\n,category,p,,,Pizze,,\n,item,b,,p,Bianca,4.5,EUR\n";
    assert_eq!(sends_csv(&luigi.owner, &path, gaps).await.expect(200)["changes"], json!([]));
    let capitals = "TYPE,Key,In,Name,PRICE,Currency\ncategory,p,,Pizze,,\nitem,b,p,Bianca,4.5,EUR\n";
    assert_eq!(sends_csv(&luigi.owner, &path, capitals).await.expect(200)["changes"], json!([]));
    let declared = "sep=;\r\ntype;key;in;name;price;currency\r\ncategory;p;;Pizze;;\r\nitem;b;p;Bianca;4,5;EUR\r\n";
    assert_eq!(sends_csv(&luigi.owner, &path, declared).await.expect(200)["changes"], json!([]));
    let wrong = format!("{declared}item;c;p;Cotto;x;EUR\r\n");
    let refusal = sends_csv(&luigi.owner, &path, &wrong).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/lines/5/price", "lines are those of the file: {refusal}");
    for (media_type, table) in [
        ("application/vnd.ms-excel", few.as_bytes().to_vec()),
        ("text/tab-separated-values; charset=utf-8", few.as_bytes().to_vec()),
        ("text/csv", [&[0xff, 0xfe][..], &few.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat()),
        ("text/csv", [&[0xfe, 0xff][..], &few.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>()].concat()),
    ] {
        let request = luigi.owner.request(Method::POST, &path).header("content-type", media_type).body(table);
        assert_eq!(luigi.owner.send(request).await.expect(200)["changes"], json!([]), "{media_type}");
    }
    let half = luigi.owner.request(Method::POST, &path).header("content-type", "text/csv");
    luigi.owner.send(half.body(vec![0xff, 0xfe, 0x41])).await.refused(422, "invalid_request");
    luigi.owner.get(&format!("{path}?separator=dash")).await.refused(422, "invalid_request");
}

#[tokio::test]
async fn an_error_in_a_csv_menu_names_line_and_column() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (path, before) = (luigi.path("/menu.csv"), versions(&app).await);
    let head = "type,key,in,name,price,currency,min,max,modifierGroups\n";
    let body = "category,p,,Pizze,,,,,\nitem,m,p,\"Margherita\n\",8.50,EUR,,,\n";
    let cases = [
        ("", "line 1: the table is empty"),
        ("type,key\n", "line 1: the column “in” is missing"),
        ("type,key,in,name,price,currency,colour\n", "line 1, column 7 (heading): “colour” is not a column"),
        ("type,key,in,name,price,currency,key\n", "line 1, column 7 (heading): “key” occurs twice"),
        ("{head}{body}item,x,p,X,8.505,EUR,,,\n", "line 5, column 5 (price): must be an amount"),
        ("{head}{body}item,x,p,X,99999999999999999999,EUR,,,\n", "line 5, column 5 (price): must be a smaller number"),
        ("{head}{body}item,x,p,X,-8,EUR,,,\n", "line 5, column 5 (price): must be an amount"),
        ("{head}{body}item,x,p,X,8,USD,,,\n", "line 5, column 6 (currency): must be EUR"),
        ("{head}{body}item,x,q,X,8,EUR,,,\n", "line 5, column 3 (in): must be the key of a category"),
        ("{head}{body}item,x,p,,8,EUR,,,\n", "line 5, column 4 (name): must be 1 to 120"),
        ("{head}{body}item,m,p,X,8,EUR,,,\n", "line 5, column 2 (key): “m” is the key of an earlier one"),
        (
            "{head}{body}item,x,p,X,8,EUR,,,nothing\n",
            "line 5, column 9 (modifierGroups): “nothing” is not the key of a modifier group",
        ),
        ("{head}{body}group,g,,G,,,3,2,\n", "line 5, column 7 (min): must be between 0 and max"),
        ("{head}{body}group,g,,G,,,99999999999,2,\n", "line 5, column 7 (min): must be a smaller number"),
        ("{head}{body}group,g,,G,5,EUR,0,2,\n", "line 5, column 5 (price): must be empty"),
        ("{head}{body}dish,x,p,X,8,EUR,,,\n", "line 5, column 1 (type): must be category"),
        ("{head}{body}item,x,p,X,8,EUR,,,,,x\n", "line 5, column 11 (cell): is after"),
        ("{head}{body}item,x,p,\"X,8,EUR,,,\n", "line 5, column 4 (cell): the quote is not closed"),
        ("{head}{body}item,x,p,X\"Y,8,EUR,,,\n", "line 5, column 4 (cell): there is a quote within"),
        ("{head}{body}item,x,p,\"X\"Y,8,EUR,,,\n", "line 5, column 4 (cell): there is text after"),
        ("{head}{body}item,x,p,X,1.234,50,EUR,,\n", "line 5, column 5 (price): must be an amount"),
    ];
    for (table, message) in cases {
        let table = table.replace("{head}", head).replace("{body}", body);
        let refusal = sends_csv(&luigi.owner, &path, &table).await.refused(422, "invalid_request");
        let messages: Vec<_> =
            refusal["errors"].as_array().unwrap().iter().map(|one| one["message"].as_str().unwrap()).collect();
        assert!(messages.iter().any(|one| one.starts_with(message)), "{message}: {messages:?}");
    }
    let many = "item,,,,,,,,\n".repeat(5_000);
    let refusal = sends_csv(&luigi.owner, &path, &format!("{head}{many}")).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"].as_array().unwrap().len(), 100, "and no more are listed");
    let latin =
        luigi.owner.request(Method::POST, &path).header("content-type", "text/csv").body(b"type\ncaf\xe9\n".to_vec());
    let refusal = luigi.owner.send(latin).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["message"], "line 2: is not UTF-8: save the table as UTF-8");
    assert_eq!(versions(&app).await, before, "nothing was applied by halves");
    luigi.owner.post(&path, &json!({})).await.refused(415, "unsupported_media_type");
}

#[tokio::test]
async fn a_menu_is_copied_between_restaurants_of_the_same_manager() {
    let app = TestApp::start().await;
    let (luigi, second) = (app.restaurant("Luigi").opens().await, app.restaurant("Second").opens().await);
    let dear = app.restaurant("Dear").with("currency", json!("USD")).opens().await;
    puts(&luigi, &pizzeria()).await.expect(200);
    let path = luigi.path("/menu/copy");
    let to = |shop: &Shop| json!({ "to": shop.id });
    luigi.owner.post(&path, &to(&second)).await.refused(404, "not_found");
    let admin = app.admin().await;
    admin.post(&path, &to(&dear)).await.refused(422, "invalid_request");
    second.takes_on(&luigi.owner, "STAFF").await;
    let copied = luigi.owner.post(&path, &to(&second)).await.expect(200);
    assert_eq!(copied["applied"], true);
    let (one, other) = (menu(&luigi).await, menu(&second).await);
    assert_eq!(one["categories"][0]["items"][0]["name"], other["categories"][0]["items"][0]["name"]);
    assert_ne!(one["categories"][0]["items"][0]["id"], other["categories"][0]["items"][0]["id"]);
    let sold = id_at(&one, "/categories/0/items/0");
    let there = id_at(&other, "/categories/0/items/0");
    let counted = second.owner.get(&second.path(&format!("/items/{there}"))).await.expect(200);
    assert_eq!(counted["stock"], Value::Null, "what one kitchen counts is not in the other");
    assert_eq!(other["categories"][1]["items"][0]["available"], false, "what is off without an end is off there too");
    let again = luigi.owner.post(&path, &to(&second)).await.expect(200);
    assert_eq!(again["changes"], json!([]));
    // Changes at the other restaurant stay, however often the menu is copied; changes at this one are not copied.
    let water = second.path(&format!("/items/{}/availability", id_at(&other, "/categories/1/items/0")));
    second.owner.put(&water, &json!({ "available": true })).await.expect(200);
    luigi.owner.put(&luigi.path(&format!("/items/{sold}/stock")), &json!({ "stock": 0 })).await.expect(200);
    let regina = json!({ "name": "Regina" });
    luigi.owner.patch(&luigi.path(&format!("/items/{sold}")), &regina).await.expect(200);
    let dry = luigi.owner.post(&format!("{path}?dryRun=true"), &to(&second)).await.expect(200);
    let done = luigi.owner.post(&path, &to(&second)).await.expect(200);
    assert_eq!((&dry["applied"], &dry["changes"]), (&json!(false), &done["changes"]));
    let renamed = json!([{ "field": "name", "before": "Margherita", "after": "Regina" }]);
    assert_eq!((done["changes"].as_array().unwrap().len(), &done["changes"][0]["fields"]), (1, &renamed));
    let other = menu(&second).await;
    assert_eq!(id_at(&other, "/categories/0/items/0"), there, "it is the same thing still");
    assert_eq!(other["categories"][0]["items"][0]["soldOut"], false);
    assert_eq!(other["categories"][1]["items"][0]["available"], true);
    // An item with a tax class is copied only to a restaurant that has the class.
    let class = json!({ "name": "drinks", "basisPoints": { "delivery": 2200, "pickup": 2200, "dineIn": 1000 } });
    luigi.owner.patch(&luigi.path(""), &json!({ "taxClasses": [class] })).await.expect(200);
    let mut document = pizzeria();
    document["categories"][1]["items"][0]["taxClass"] = json!("drink");
    let refusal = puts(&luigi, &document).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/categories/1/items/0/taxClass");
    document["categories"][1]["items"][0]["taxClass"] = json!("drinks");
    puts(&luigi, &document).await.expect(200);
    let refusal = luigi.owner.post(&path, &to(&second)).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/to", "{refusal}");
    admin.patch(&second.path(""), &json!({ "taxClasses": [class] })).await.expect(200);
    luigi.owner.post(&path, &to(&second)).await.expect(200);
    let plain = app.restaurant("Plain").opens().await;
    admin.post(&plain.path("/menu/copy"), &to(&second)).await.expect(200);
    let once_more = admin.post(&plain.path("/menu/copy"), &to(&second)).await.expect(200);
    assert_eq!(once_more["changes"], json!([]), "things without keys are known by their ids");
}
