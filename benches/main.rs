//! The benchmarks, run by `bin/bench NAME`. Figures can be compared only within one run. A new benchmark is a module
//! here, an arm of `main`, and a name in `bin/bench`.
//!
//! Each server is a separate process, so that its processor time can be read from /proc; this process generates the
//! load.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measuring program"
)]
#![expect(clippy::cast_precision_loss, clippy::disallowed_methods, reason = "ratios; tasks of its own")]

mod flood;
#[path = "../tests/it/hostile/generator.rs"]
mod generator;
mod hostile;
mod measure;
mod menu;
mod orders;
mod overload;
#[path = "../tests/it/hostile/requests.rs"]
mod requests;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match words.as_slice() {
        ["menu", database, redis, postgres, _] => runtime.block_on(menu::measure(database, redis, postgres)),
        ["orders", database, _, postgres, pgbench] => {
            runtime.block_on(orders::measure(database, postgres, pgbench));
        }
        ["hostile", database, _, _, _] => runtime.block_on(hostile::measure(database, None)),
        ["hostile", database, _, _, _, recipe] => runtime.block_on(hostile::measure(database, Some(recipe))),
        ["flood", database, _, _, _] => runtime.block_on(flood::measure(database)),
        ["overload", database, _, _, _] => runtime.block_on(overload::measure(database, 120)),
        ["overload", database, _, _, _, seconds] => {
            runtime.block_on(overload::measure(database, seconds.parse().unwrap()));
        }
        ["serve", database, redis] => runtime.block_on(measure::serve(database, redis)),
        ["menu-memory", file] => runtime.block_on(menu::serve_memory(file)),
        _ => println!("run it with bin/bench"),
    }
}
