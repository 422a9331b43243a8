//! The devices that a node works on: one task for each, few at the same time, only some of them of one user.

use comanda::ids::UserId;
use comanda::network::Network;
use comanda::sync::Device;
use comanda::sync::actions::runs::{DeviceRun, DeviceRuns, Start};
use futures_util::FutureExt as _;

use super::{op, outcomes, place, sends};
use crate::app::{TestApp, eventually};

fn device(user: UserId, name: &str) -> Device {
    Device { user, name: name.to_owned() }
}

fn network(number: usize) -> Network {
    Network::of(format!("192.0.2.{number}").parse().unwrap())
}

fn own(runs: &DeviceRuns, device: &Device) -> DeviceRun {
    match runs.start(device) {
        Start::Own(run) => run,
        Start::Another(_) => panic!("nobody works on it"),
    }
}

#[tokio::test]
async fn a_device_is_processed_by_one_task_and_others_wait_for_it() {
    let runs = DeviceRuns::new(4);
    let phone = device(UserId::new(), "phone");
    let run = own(&runs, &phone);
    let Start::Another(mut ended) = runs.start(&phone) else { panic!("somebody works on it") };
    assert!(ended.changed().now_or_never().is_none(), "it has not ended");
    // Another device of the user, and a device with the same name of another user, are other devices.
    drop((own(&runs, &device(phone.user, "tablet")), own(&runs, &device(UserId::new(), "phone"))));
    drop(run);
    assert!(ended.changed().now_or_never().is_some(), "it has ended");
    drop(own(&runs, &phone));
}

#[tokio::test]
async fn devices_processed_at_once_are_limited_and_one_user_has_a_quarter() {
    let runs = DeviceRuns::new(8);
    let ada = UserId::new();
    let hers: Vec<_> = (0..4).map(|number| own(&runs, &device(ada, &number.to_string()))).collect();
    let (first, second) = (hers[0].permit(network(0)).await, hers[1].permit(network(0)).await);
    assert!(first.is_some() && second.is_some());
    assert!(hers[2].permit(network(0)).now_or_never().is_none(), "two of eight are a quarter");
    let others: Vec<_> = (0..7).map(|_| own(&runs, &device(UserId::new(), "phone"))).collect();
    let mut permits = Vec::new();
    for (number, other) in others[..6].iter().enumerate() {
        permits.push(other.permit(network(number + 1)).now_or_never().expect("a place is free"));
    }
    assert!(others[6].permit(network(7)).now_or_never().is_none(), "eight are worked on");
    let mut waiting = Box::pin(others[6].permit(network(7)));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(first);
    assert!(waiting.now_or_never().is_some());
    drop(permits);
    assert!(hers[2].permit(network(0)).now_or_never().is_some());
}

#[tokio::test]
async fn devices_of_one_network_are_limited_to_half_and_those_of_a_site_to_three_quarters() {
    let runs = DeviceRuns::new(8);
    let all: Vec<_> = (0..12).map(|_| own(&runs, &device(UserId::new(), "phone"))).collect();
    let address = |text: &str| Network::of(text.parse().unwrap());
    let mut permits = Vec::new();
    for (number, network) in ["2001:db8::1", "2001:db8::2", "2001:db8::1", "2001:db8::1"].iter().enumerate() {
        permits.push(all[number].permit(address(network)).now_or_never().expect("half is free"));
    }
    assert!(all[4].permit(address("2001:db8::3")).now_or_never().is_none(), "four of eight are half");
    for one in &all[5..7] {
        permits.push(one.permit(address("2001:db8:0:1::1")).now_or_never().expect("a /48 has three quarters"));
    }
    assert!(all[7].permit(address("2001:db8:0:2::1")).now_or_never().is_none(), "six of eight are three quarters");
    for one in &all[8..10] {
        permits.push(one.permit(network(1)).now_or_never().expect("others are not affected"));
    }
}

/// A device with a long queue takes turns with others: the only place of this node is not held until its queue is
/// empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_with_long_queues_take_turns() {
    let settings = [("SYNC_DEVICES_AT_ONCE", "1"), ("SYNC_OPERATIONS_PER_TURN", "4"), ("SYNC_POLL_INTERVAL", "5s")];
    let app = TestApp::with(&settings).await;
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    let luigi = app.restaurant("Luigi").opens().await;
    let orders = |count: i64| -> Vec<_> {
        (1..=count).map(|seq| op(seq, "order.place", app.clock.now(), place(&luigi, luigi.any_dish(), 1))).collect()
    };
    let finished = "select count(*) from sync_operations where finished_at is not null";
    let unfinished = "select count(*) from sync_operations where finished_at is null";
    let short = async {
        eventually("the long queue is worked on", async || app.count(finished).await > 0).await;
        let answer = sends(&bob, "phone", &orders(1)).await;
        (answer, app.count(unfinished).await)
    };
    let long = orders(60);
    let (long, (answer, left)) = tokio::join!(sends(&ada, "phone", &long), short);
    assert_eq!(outcomes(&answer), ["applied"]);
    assert!(left > 0, "the other device waited for the whole queue");
    assert_eq!(outcomes(&long), ["applied"; 60]);
}
