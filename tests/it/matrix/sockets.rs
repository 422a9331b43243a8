//! Messages of a socket besides `join`: leaving any room by name, and changing the token.

use serde_json::json;

use super::callers::{CALLERS, Caller, Target};
use super::exercise::path_parameters;
use super::world::World;
use super::{ROOMS, id_field};
use crate::socket::Socket;

/// A connected socket, and the rooms it has joined.
pub type Inside = (Caller, Socket, Vec<(&'static str, Target)>);

/// Leaving has the same response for every room, one's own, another user's or none at all, and removes nobody else:
/// the others still receive events. A member joins again.
pub async fn leaving_tells_nothing(world: &World, sockets: &mut [Inside]) {
    for (caller, socket, entitled) in sockets {
        for (kind, _, path) in ROOMS {
            for target in Target::ALL {
                let room = format!("{kind}:{}", world.ids(target)[path_parameters(path)[0]]);
                let answer = socket.asks("leave", &json!({ "room": room })).await.1;
                assert_eq!(answer, json!({ "ok": true, "room": room }), "{caller:?} leaves {kind} {target:?}");
                if entitled.contains(&(kind, target)) {
                    assert_eq!(socket.joins(&room).await["ok"], true, "{caller:?} comes back into {kind} {target:?}");
                }
            }
        }
    }
}

/// A socket accepts a valid token of its own session only; with any other token it stays as it was, and the error for
/// a valid one says only that it is of another session.
pub async fn renewing_takes_one_s_own_token_alone(world: &World, sockets: &mut [Inside]) {
    for (caller, socket, entitled) in sockets {
        for whose in CALLERS {
            let token = world.person(whose).token.clone().unwrap_or_default();
            let answer = socket.asks("auth:renew", &json!({ "token": token })).await.1;
            match (whose == *caller, whose.is_signed_in()) {
                (true, _) => assert_eq!((&answer["ok"], &answer["left"]), (&json!(true), &json!([])), "{caller:?}"),
                (false, true) => assert_eq!(answer["error"]["code"], "forbidden", "{caller:?} with {whose:?}'s"),
                (false, false) => assert_eq!(answer["error"]["code"], "unauthenticated", "{caller:?} with {whose:?}'s"),
            }
        }
        // It is still the same user: a room of the other restaurant is refused as before.
        for (kind, target) in [("restaurant", Target::A), ("restaurant", Target::B)] {
            let room = format!("{kind}:{}", world.ids(target)[id_field(kind)]);
            let is_in = socket.joins(&room).await["ok"] == true;
            assert_eq!(is_in, entitled.contains(&(kind, target)), "{caller:?} {kind} {target:?}");
        }
    }
}
