//! The devices that a node works on: one task for each, few at the same time, only some of them of one user.

use comanda::ids::UserId;
use comanda::sync::Device;
use comanda::sync::actions::runs::{DeviceRun, DeviceRuns, Start};
use futures_util::FutureExt as _;

fn device(user: UserId, name: &str) -> Device {
    Device { user, name: name.to_owned() }
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
    let (first, second) = (hers[0].permit().await, hers[1].permit().await);
    assert!(first.is_some() && second.is_some());
    assert!(hers[2].permit().now_or_never().is_none(), "two of eight are a quarter");
    let others: Vec<_> = (0..7).map(|_| own(&runs, &device(UserId::new(), "phone"))).collect();
    let mut permits = Vec::new();
    for other in &others[..6] {
        permits.push(other.permit().now_or_never().expect("a place is free"));
    }
    assert!(others[6].permit().now_or_never().is_none(), "eight are worked on");
    let mut waiting = Box::pin(others[6].permit());
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(first);
    assert!(waiting.now_or_never().is_some());
    drop(permits);
    assert!(hers[2].permit().now_or_never().is_some());
}
