//! Refreshes, copied tokens, lost responses, waiting and signing out in any order, compared with a model on a real
//! database: after a revocation no token of the session is accepted, and a lost response ends no session.
//!
//! `PROPTEST_CASES=10000` runs as many histories as docs/security.md requires.

use std::sync::Arc;

use chrono::TimeDelta;
use comanda::accounts::Caller;
use comanda::accounts::refresh::Presented;
use comanda::accounts::sql::sessions::{self, Refreshed, RevocationReason, SessionClient};
use comanda::app::App;
use comanda::ids::{SessionId, UserId};
use comanda::tenancy::TenancyContext;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::app::TestApp;

/// The actions on a session.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// A refresh with the token that is this many refreshes old.
    Refresh(i32),
    /// A request with the access token that is this many refreshes old.
    Use(i32),
    /// Seconds pass: never exactly the ten seconds for which a copy is accepted.
    Wait(i64),
    /// The user signs out.
    Logout,
    /// The user signs out everywhere.
    LogoutAll,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..4_i32).prop_map(Act::Refresh),
        3 => (0..3_i32).prop_map(Act::Use),
        3 => prop_oneof![Just(3), Just(11), Just(3_600)].prop_map(Act::Wait),
        1 => Just(Act::Logout),
        1 => Just(Act::LogoutAll),
    ];
    prop::collection::vec(act, 1..14)
}

/// The model of the session.
#[derive(Debug)]
struct Model {
    counter: i32,
    confirmed: i32,
    /// Seconds since the last refresh.
    age: i64,
    revoked: bool,
}

struct Stand {
    app: Arc<App>,
    user: UserId,
    session: SessionId,
}

impl Stand {
    async fn refresh(&self, counter: i32) -> Option<i32> {
        let presented = Presented { session: self.session, counter };
        let lives = self.app.config.accounts.sessions;
        let refreshed = self.app.db.write(TenancyContext::anonymous(), move |tx| {
            Box::pin(async move { sessions::refresh(tx, presented, &SessionClient::default(), lives).await })
        });
        match refreshed.await.unwrap() {
            Refreshed::At { counter, .. } => Some(counter),
            Refreshed::Replayed(_) | Refreshed::Ended => None,
        }
    }

    async fn uses(&self, counter: i32) -> bool {
        let token = self.app.tokens.issue(self.user, self.session, counter, self.app.clock.now()).unwrap();
        Caller::by_token(&self.app, &token).await.is_ok()
    }

    async fn signs_out(&self, everywhere: bool) {
        let (user, session) = (self.user, self.session);
        let ended = self.app.db.write(TenancyContext::user(user), move |tx| {
            Box::pin(async move {
                if everywhere {
                    sessions::revoke_all(tx, user, None, RevocationReason::LogoutAll).await?;
                } else {
                    sessions::revoke(tx, user, session, RevocationReason::Logout).await?;
                }
                Ok(())
            })
        });
        ended.await.unwrap();
        // What its handler does after COMMIT.
        self.app.callers.revoke(comanda::accounts::caller_cache::Revocation { user, session: None });
    }

    async fn plays(&self, clock: &comanda::clock::Clock, history: &[Act]) -> Result<(), TestCaseError> {
        let mut model = Model { counter: 0, confirmed: 0, age: 0, revoked: false };
        for act in history {
            match *act {
                Act::Refresh(ago) => {
                    let presented = (model.counter - ago).max(0);
                    let ago = model.counter - presented;
                    let unproven = model.confirmed < model.counter || model.age <= 10;
                    let expected = match ago {
                        _ if model.revoked => None,
                        0 => Some(model.counter + 1),
                        1 if unproven => Some(model.counter),
                        _ => None,
                    };
                    prop_assert_eq!(self.refresh(presented).await, expected, "{:?} at {:?}", act, model);
                    match expected {
                        Some(counter) if counter > model.counter => (model.counter, model.age) = (counter, 0),
                        Some(_) => {}
                        None => {
                            model.revoked = true;
                            self.app.callers.revoke(comanda::accounts::caller_cache::Revocation {
                                user: self.user,
                                session: Some(self.session),
                            });
                        }
                    }
                }
                Act::Use(ago) => {
                    let counter = (model.counter - ago).max(0);
                    prop_assert_eq!(self.uses(counter).await, !model.revoked, "{:?} at {:?}", act, model);
                    if !model.revoked {
                        model.confirmed = model.confirmed.max(counter);
                    }
                }
                Act::Wait(seconds) => {
                    clock.advance(TimeDelta::seconds(seconds));
                    model.age += seconds;
                }
                Act::Logout | Act::LogoutAll => {
                    self.signs_out(matches!(act, Act::LogoutAll)).await;
                    model.revoked = true;
                }
            }
        }
        if model.revoked {
            for counter in 0..=model.counter {
                prop_assert_eq!(self.refresh(counter).await, None, "{} after the end", counter);
                prop_assert!(!self.uses(counter).await, "{} used after the end", counter);
            }
        }
        Ok(())
    }
}

async fn stand(app: &TestApp) -> Stand {
    let person = app.customer("Ada").await;
    let shared = Arc::clone(&app.running().app);
    let claims = shared.tokens.check(person.token.as_deref().unwrap(), app.clock.now()).unwrap();
    // The age by the injected clock.
    app.execute(&format!("update sessions set refreshed_at = created_at where user_id = '{}'", claims.sub.uuid()))
        .await;
    Stand { app: shared, user: claims.sub, session: claims.sid }
}

#[test]
fn any_history_ends_as_the_model_says() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        // Hours pass in these histories, and days in ten thousand of them.
        let lives = [("JWT_REFRESH_EXPIRES_IN", "3650d"), ("SESSION_MAX_LIFE", "3650d"), ("JWT_EXPIRES_IN", "3650d")];
        let app = TestApp::with(&lives).await;
        let mut runner = TestRunner::new(Config::default());
        let outcome = tokio::task::block_in_place(|| {
            runner.run(&acts(), |history| {
                tokio::runtime::Handle::current()
                    .block_on(async { stand(&app).await.plays(&app.clock, &history).await })
            })
        });
        outcome.unwrap();
    });
}

/// A client with an unreliable connection: every second response is lost, and it tries again, seconds or hours later.
#[tokio::test]
async fn lost_refresh_responses_sign_nobody_out() {
    let lives = [("JWT_REFRESH_EXPIRES_IN", "3650d"), ("SESSION_MAX_LIFE", "3650d"), ("JWT_EXPIRES_IN", "12h")];
    let app = TestApp::with(&lives).await;
    let drops = std::cmp::max(1_000, Config::default().cases);
    let ada = stand(&app).await;
    let (mut held, mut lost) = (0, 0);
    while lost < drops {
        let given = ada.refresh(held).await.expect("a session that stands");
        if rand::random::<bool>() {
            lost += 1;
            app.advance_clock(TimeDelta::seconds(rand::random_range(0..7_200)));
            continue;
        }
        held = given;
        if rand::random::<bool>() {
            assert!(ada.uses(held).await);
        }
    }
}

/// Everything concurrently, over many connections: every request that follows a revocation is refused.
#[expect(clippy::disallowed_methods, reason = "clients that race")]
#[tokio::test(flavor = "multi_thread")]
async fn no_request_succeeds_after_a_concurrent_revocation() {
    let app = TestApp::start().await;
    for round in 0..25 {
        let ada = Arc::new(stand(&app).await);
        let racers = (0..8).map(|racer| {
            let ada = Arc::clone(&ada);
            tokio::spawn(async move {
                let mut held = 0;
                for turn in 0..6 {
                    if racer == 0 && turn == round % 6 {
                        ada.signs_out(round % 2 == 0).await;
                        // From here on no request may succeed.
                        for counter in 0..=20 {
                            assert_eq!(ada.refresh(counter).await, None, "round {round}");
                            assert!(!ada.uses(counter).await, "round {round}");
                        }
                    }
                    held = ada.refresh(held).await.unwrap_or(held);
                    ada.uses(held).await;
                }
            })
        });
        for racer in racers.collect::<Vec<_>>() {
            racer.await.unwrap();
        }
        let open = app.count("select count(*) from sessions where revoked_at is null").await;
        assert_eq!(open, 0, "round {round}");
    }
}
