//! The provider of images: conversion, and storage on the local disk or at Cloudinary. Nothing here depends on
//! restaurants. Messages have no provider yet; the service stores them (`src/notifications/worker.rs`).

/// Images: checked, converted to several sizes, stored on disk or at Cloudinary.
pub mod images;
