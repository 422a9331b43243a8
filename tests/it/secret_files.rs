//! The secret files that a server generates: written completely, and readable by their owner only.

use std::os::unix::fs::PermissionsExt as _;

use comanda::accounts::secrets::configured_or_generated;
use secrecy::ExposeSecret as _;

#[test]
fn a_short_secret_file_is_refused_and_a_new_one_is_whole() {
    let folder =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("secrets-{}", uuid::Uuid::new_v4().simple()));
    let made = configured_or_generated(None, &folder, "jwt_secret").unwrap();
    assert!(made.expose_secret().len() >= 64);
    assert_eq!(configured_or_generated(None, &folder, "jwt_secret").unwrap().expose_secret(), made.expose_secret());
    let mode_of = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (secrets, file) = (folder.join("secrets"), folder.join("secrets/jwt_secret"));
    assert_eq!((mode_of(&secrets), mode_of(&file)), (0o700, 0o600));
    assert_eq!(std::fs::read_dir(&secrets).unwrap().count(), 1, "no draft is left");
    for short in ["", "\n", "short", &"x".repeat(31)] {
        std::fs::write(&file, short).unwrap();
        let refusal = configured_or_generated(None, &folder, "jwt_secret").unwrap_err().to_string();
        assert!(refusal.contains("jwt_secret") && refusal.contains("remove the file"), "{refusal}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn secret_files_that_others_could_read_or_write_are_refused() {
    let folder =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("secrets-{}", uuid::Uuid::new_v4().simple()));
    let (secrets, file) = (folder.join("secrets"), folder.join("secrets/jwt_secret"));
    let sets = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let read = || configured_or_generated(None, &folder, "jwt_secret");
    let refused = |wanted: &str| {
        let refusal = read().unwrap_err().to_string();
        assert!(refusal.contains("secrets") && refusal.contains(wanted), "{refusal}");
    };
    let made = read().unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o700] {
        sets(&file, mode);
        refused("could be read or written by others");
    }
    sets(&file, 0o400);
    read().unwrap();
    for mode in [0o770, 0o722, 0o702, 0o777, 0o1777] {
        sets(&secrets, mode);
        refused("could be written by others");
    }
    // Nobody could have changed or read the file: its permissions are corrected, and it is used.
    sets(&secrets, 0o755);
    assert_eq!(read().unwrap().expose_secret(), made.expose_secret());
    assert_eq!(std::fs::metadata(&secrets).unwrap().permissions().mode() & 0o777, 0o700);
    // Files elsewhere may belong to anybody.
    std::fs::rename(&file, folder.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(folder.join("elsewhere"), &file).unwrap();
    refused("is a symbolic link");
    std::fs::remove_file(&file).unwrap();
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    refused("is not a file");
    std::fs::rename(&secrets, folder.join("moved")).unwrap();
    std::os::unix::fs::symlink(folder.join("moved"), &secrets).unwrap();
    refused("is not a folder");
    if nix::unistd::Uid::effective().is_root() {
        std::fs::remove_file(&secrets).unwrap();
        read().unwrap();
        for path in [&file, &secrets] {
            std::os::unix::fs::chown(path, Some(12_345), None).unwrap();
            refused("belongs to user 12345");
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}
