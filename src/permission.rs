//! Permissions: one table of operations and the relations that may use them, checked by handlers, sockets and jobs with
//! one function. The relations that a role at a restaurant gives are in `restaurants/access.rs` (`relations`), the
//! roles in `actor.rs`.
//!
//! A route is registered under its operation. An operation without a row here does not compile; with a route without an
//! operation the server does not start (`router.rs`).

use crate::problem::{Code, Problem};

/// The relation of a caller to the resource of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Anybody; no sign-in is needed.
    Anyone,
    /// A guest with a guest token; the operation only concerns the guest's own resources.
    Guest,
    /// Any signed-in user; the operation only concerns the user's own resources.
    SignedIn,
    /// The customer of the order, cart or delivery.
    Customer,
    /// A member of the restaurant that it belongs to.
    Staff,
    /// A member with the role MANAGER or OWNER.
    Manager,
    /// A member with the role OWNER.
    Owner,
    /// A user with a driver profile.
    Driver,
    /// The driver of the delivery.
    Carrier,
    /// An administrator of the platform.
    Admin,
}

macro_rules! operations {
    ($($operation:ident = $id:literal: [$($relation:ident),+];)*) => {
        /// Every operation of the API; the ids are those of the OpenAPI document.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation { $(#[doc = concat!("`", $id, "`")] $operation,)* }

        impl Operation {
            /// All operations of the API.
            pub const ALL: &[Self] = &[$(Self::$operation,)*];

            /// The id in the OpenAPI document.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$operation => $id,)* }
            }

            /// The relations of which a caller needs at least one.
            pub const fn allowed_to(self) -> &'static [Relation] {
                match self { $(Self::$operation => &[$(Relation::$relation),+],)* }
            }
        }
    };
}

operations! {
    GetHealth = "get_health": [Anyone];
    GetLiveness = "get_liveness": [Anyone];

    Register = "register": [Anyone];
    Login = "login": [Anyone];
    Refresh = "refresh": [Anyone];
    Logout = "logout": [SignedIn];
    LogoutAll = "logout_all": [SignedIn];
    ChangePassword = "change_password": [SignedIn];
    ListSessions = "list_sessions": [SignedIn];
    EndSession = "end_session": [SignedIn];
    ForgotPassword = "forgot_password": [Anyone];
    ResetPassword = "reset_password": [Anyone];
    CreateGuest = "create_guest": [Anyone];
    GetMe = "get_me": [SignedIn];
    UpdateMe = "update_me": [SignedIn];
    RequestPhoneCode = "request_phone_code": [SignedIn];
    ConfirmPhone = "confirm_phone": [SignedIn];
    RequestEmailCode = "request_email_code": [SignedIn];
    ConfirmEmail = "confirm_email": [SignedIn];
    ListAddresses = "list_addresses": [SignedIn];
    CreateAddress = "create_address": [SignedIn];
    ReplaceAddress = "replace_address": [SignedIn];
    DeleteAddress = "delete_address": [SignedIn];
    ListDevices = "list_devices": [SignedIn];
    RegisterDevice = "register_device": [SignedIn];
    DeleteDevice = "delete_device": [SignedIn];
    GetNotificationPreferences = "get_notification_preferences": [SignedIn];
    PutNotificationPreferences = "put_notification_preferences": [SignedIn];
    ListMyInvitations = "list_my_invitations": [SignedIn];
    AcceptInvitation = "accept_invitation": [SignedIn];
    ListUsers = "list_users": [Admin];
    UpdateUser = "update_user": [Admin];
    CompleteLogin = "complete_login": [Anyone];
    GetSecondFactor = "get_second_factor": [SignedIn];
    AddSecondFactor = "add_second_factor": [SignedIn];
    ConfirmSecondFactor = "confirm_second_factor": [SignedIn];
    RemoveSecondFactor = "remove_second_factor": [SignedIn];
    ListOutbox = "list_outbox": [Admin];

    ListRestaurants = "list_restaurants": [Anyone];
    GetRestaurant = "get_restaurant": [Anyone];
    CreateRestaurant = "create_restaurant": [Admin];
    UpdateRestaurant = "update_restaurant": [Manager, Admin];
    SetImage = "set_image": [Manager, Admin];
    RemoveImage = "remove_image": [Manager, Admin];
    GetHours = "get_hours": [Anyone];
    PutHours = "put_hours": [Manager, Admin];
    PutPause = "put_pause": [Staff, Admin];
    DeletePause = "delete_pause": [Staff, Admin];
    GetZones = "get_zones": [Anyone];
    PutZones = "put_zones": [Manager, Admin];
    GetRestaurantSecurity = "get_restaurant_security": [Owner, Admin];
    UpdateRestaurantSecurity = "update_restaurant_security": [Owner, Admin];
    ListMembers = "list_members": [Manager, Admin];
    AddMember = "add_member": [Manager, Admin];
    UpdateMember = "update_member": [Manager, Admin];
    RemoveMember = "remove_member": [Manager, Admin];
    ListInvitations = "list_invitations": [Manager, Admin];
    CreateInvitation = "create_invitation": [Manager, Admin];
    DeleteInvitation = "delete_invitation": [Manager, Admin];

    ListCoupons = "list_coupons": [Manager, Admin];
    CreateCoupon = "create_coupon": [Manager, Admin];
    GetCoupon = "get_coupon": [Manager, Admin];
    UpdateCoupon = "update_coupon": [Manager, Admin];
    DeleteCoupon = "delete_coupon": [Manager, Admin];

    GetMenu = "get_menu": [Anyone];
    PutMenu = "put_menu": [Staff, Admin];
    GetMenuDocument = "get_menu_document": [Staff, Admin];
    ExportMenu = "export_menu": [Staff, Admin];
    ImportMenu = "import_menu": [Staff, Admin];
    CopyMenu = "copy_menu": [Staff, Admin];
    ListCategories = "list_categories": [Anyone];
    GetCategory = "get_category": [Anyone];
    CreateCategory = "create_category": [Staff, Admin];
    UpdateCategory = "update_category": [Staff, Admin];
    DeleteCategory = "delete_category": [Staff, Admin];
    ListItems = "list_items": [Staff, Admin];
    CreateItem = "create_item": [Staff, Admin];
    GetItem = "get_item": [Staff, Admin];
    SetItemImage = "set_item_image": [Staff, Admin];
    RemoveItemImage = "remove_item_image": [Staff, Admin];
    UpdateItem = "update_item": [Staff, Admin];
    DeleteItem = "delete_item": [Staff, Admin];
    SetAvailability = "set_availability": [Staff, Admin];
    SetStock = "set_stock": [Staff, Admin];
    ListStockLedger = "list_stock_ledger": [Staff, Admin];
    ListModifierGroups = "list_modifier_groups": [Staff, Admin];
    CreateModifierGroup = "create_modifier_group": [Staff, Admin];
    GetModifierGroup = "get_modifier_group": [Staff, Admin];
    UpdateModifierGroup = "update_modifier_group": [Staff, Admin];
    DeleteModifierGroup = "delete_modifier_group": [Staff, Admin];
    SetModifierAvailability = "set_modifier_availability": [Staff, Admin];
    SetModifierStock = "set_modifier_stock": [Staff, Admin];

    GetCart = "get_cart": [SignedIn, Guest];
    PutCart = "put_cart": [SignedIn, Guest];
    PatchCart = "patch_cart": [SignedIn, Guest];
    TakeOverCarts = "take_over_carts": [SignedIn];

    ListSlots = "list_slots": [Anyone];
    CreateQuote = "create_quote": [SignedIn];
    GetQuote = "get_quote": [SignedIn];
    PlaceOrder = "place_order": [SignedIn];
    ListOrders = "list_orders": [SignedIn];
    ListRestaurantOrders = "list_restaurant_orders": [Staff, Admin];
    GetOrder = "get_order": [Customer, Staff, Carrier, Admin];
    UpdateOrderStatus = "update_order_status": [Customer, Staff, Carrier, Admin];
    UpdateOrderPromise = "update_order_promise": [Staff, Admin];
    SyncOperations = "sync_operations": [SignedIn];
    ListSyncDevices = "list_sync_devices": [SignedIn];
    DeleteSyncDevice = "delete_sync_device": [SignedIn];
    Reorder = "reorder": [Customer, Staff, Carrier, Admin];
    BulkUpdateOrders = "bulk_update_orders": [Admin];
    BulkUpdateRestaurantOrders = "bulk_update_restaurant_orders": [Staff, Admin];
    ListOrderEvents = "list_order_events": [Customer, Staff, Carrier, Admin];

    CreateDriver = "create_driver": [Admin];
    ListDrivers = "list_drivers": [Admin];
    SetDriverAvailability = "set_driver_availability": [Driver];
    ReportLocation = "report_location": [Driver];
    ListDeliveries = "list_deliveries": [SignedIn];
    GetDelivery = "get_delivery": [Customer, Staff, Carrier, Admin];
    AssignDelivery = "assign_delivery": [Staff, Admin];
    UpdateDeliveryStatus = "update_delivery_status": [Staff, Carrier, Admin];

    JoinRestaurantRoom = "join_restaurant_room": [Staff, Admin];
    JoinDriverRoom = "join_driver_room": [Driver];
    JoinUserRoom = "join_user_room": [SignedIn];
}

impl Operation {
    /// The operation with this id of the OpenAPI document.
    pub fn by_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.id() == id)
    }

    /// Whether it is an operation of sockets, which has no route.
    pub const fn is_socket_only(self) -> bool {
        matches!(self, Self::JoinRestaurantRoom | Self::JoinDriverRoom | Self::JoinUserRoom)
    }

    /// Whether an administrator who has to set up a second factor first may use it: that, and operations on the own
    /// sign-in.
    pub const fn is_about_signing_in(self) -> bool {
        matches!(
            self,
            Self::GetMe
                | Self::GetSecondFactor
                | Self::AddSecondFactor
                | Self::ConfirmSecondFactor
                | Self::ChangePassword
                | Self::ListSessions
                | Self::EndSession
                | Self::Logout
                | Self::LogoutAll
        )
    }

    /// Whether it takes a password or a code, sends a message, or creates an account or guest: limited strictly, and by
    /// network only, because registering for a token costs nothing.
    pub const fn is_credential_attempt(self) -> bool {
        matches!(
            self,
            Self::Register
                | Self::CreateGuest
                | Self::Login
                | Self::ChangePassword
                | Self::UpdateMe
                | Self::RequestPhoneCode
                | Self::ConfirmPhone
                | Self::RequestEmailCode
                | Self::ConfirmEmail
                | Self::ForgotPassword
                | Self::ResetPassword
                | Self::CompleteLogin
                | Self::AddSecondFactor
                | Self::ConfirmSecondFactor
                | Self::RemoveSecondFactor
        )
    }

    /// Whether its body is an image, for which there are separate limits on size and number.
    pub const fn takes_image(self) -> bool {
        matches!(self, Self::SetImage | Self::SetItemImage)
    }

    /// Whether it takes a password, a code or a token for authentication: its refusals are logged.
    pub const fn takes_proof(self) -> bool {
        self.is_credential_attempt() || matches!(self, Self::Refresh)
    }

    /// Whether it needs no sign-in.
    pub fn is_public(self) -> bool {
        self.allowed_to().contains(&Relation::Anyone)
    }
}

/// Decides whether the caller may use the operation. `relations` are the caller's relations to the resource.
///
/// # Errors
/// 404 for a caller without any relation to the resource, as if it did not exist; 403 for one whose relations are not
/// sufficient.
pub fn decide(operation: Operation, relations: &[Relation]) -> Result<(), Problem> {
    let allowed = operation.allowed_to();
    if relations.iter().any(|relation| allowed.contains(relation)) {
        return Ok(());
    }
    // A driver has no relation to a resource of a delivery that they do not carry.
    let is_a_stranger = relations
        .iter()
        .all(|relation| matches!(relation, Relation::Anyone | Relation::Guest | Relation::SignedIn | Relation::Driver));
    let has_resource = allowed.iter().any(|relation| {
        matches!(
            relation,
            Relation::Customer | Relation::Staff | Relation::Manager | Relation::Owner | Relation::Carrier
        )
    });
    if is_a_stranger && has_resource {
        return Err(Problem::not_found());
    }
    Err(Problem::new(Code::Forbidden, "Ask someone whose role allows it, or ask for the role."))
}
