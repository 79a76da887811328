use crate::App;
use crate::convert::{self, account_id, device_id, ms};
use crate::extract::{Answer, Answered, Body, Caller, InPath, in_query};
use crate::problem::ApiError;
use axum::extract::{RawQuery, State};
use sotto_domain as domain;
use sotto_types::{GroupId, MessageId, limits};
use sotto_wire::http as body;

fn group_id(text: &str) -> Result<GroupId, ApiError> {
    text.parse().map_err(|error| ApiError::bad_request(format!("group id: {error}")))
}

fn posted(body: body::PostOperation) -> domain::PostOperation {
    domain::PostOperation {
        payload: body.payload.0.into(),
        signature: body.signature.0.into(),
        details: body.details.map(|details| details.0.into()),
    }
}

fn accepted(answer: &domain::OperationAnswer) -> body::OperationAccepted {
    body::OperationAccepted {
        group: answer.group.to_string(),
        revision: answer.revision,
        message_id: answer.message_id.to_string(),
        server_time_ms: ms(answer.server_time),
        roster: answer.roster.to_string(),
    }
}

fn from_revision(query: &str) -> Result<u32, ApiError> {
    let from = in_query(query, "from").unwrap_or("0");
    from.parse().map_err(|_| ApiError::bad_request("from is a revision: a number from 0"))
}

fn page(page: domain::GroupPage) -> body::GroupPage {
    let operation = |operation: domain::StoredOperation| body::LoggedOperation {
        revision: operation.revision,
        message_id: operation.message_id.to_string(),
        server_time_ms: ms(operation.server_time),
        payload: convert::bytes(operation.payload),
        signature: convert::bytes(operation.signature),
    };
    let member =
        |member: domain::MemberList| body::MemberList { account: member.account, list_version: member.list_version };
    body::GroupPage {
        operations: page.operations.into_iter().map(operation).collect(),
        more: page.more,
        roster: page.roster.to_string(),
        details: page.details.map(convert::bytes),
        members: page.members.into_iter().map(member).collect(),
    }
}

pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Body(body): Body<body::PostOperation>,
) -> Answered<body::OperationAccepted> {
    let answer = app.domain.post_operation(&who, None, posted(body)).await?;
    Ok(Answer::created(accepted(&answer)))
}

pub(crate) async fn operate(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(group): InPath,
    Body(body): Body<body::PostOperation>,
) -> Answered<body::OperationAccepted> {
    let answer = app.domain.post_operation(&who, Some(group_id(&group)?), posted(body)).await?;
    Ok(Answer::ok(accepted(&answer)))
}

pub(crate) async fn restore(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(group): InPath,
    Body(body): Body<body::RestoreGroup>,
) -> Answered<body::GroupRestored> {
    let group = group_id(&group)?;
    if body.operations.len() > limits::RESTORED_OPERATIONS {
        return Err(ApiError::bad_request(format!("at most {} operations at once", limits::RESTORED_OPERATIONS)));
    }
    let restored = app.domain.restore_group(&who, group, body.operations.into_iter().map(posted).collect()).await?;
    Ok(Answer::ok(body::GroupRestored { revision: restored.revision, head: restored.head.to_vec().into() }))
}

pub(crate) async fn own(State(app): State<App>, Caller(who): Caller) -> Answered<body::Groups> {
    let groups = app.domain.own_groups(&who).await?;
    let summary = |own: domain::OwnGroup| body::GroupSummary {
        group: own.group.id.to_string(),
        revision: own.group.revision,
        head: own.group.head.to_vec().into(),
        roster: own.group.roster.to_string(),
        newest: own.newest.to_string(),
        until: own.membership.until.as_ref().map(MessageId::to_string),
        read_up_to: own.read_up_to.to_string(),
    };
    Ok(Answer::ok(body::Groups { groups: groups.into_iter().map(summary).collect() }))
}

pub(crate) async fn look(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(group): InPath,
    RawQuery(query): RawQuery,
) -> Answered<body::GroupPage> {
    let from = from_revision(query.as_deref().unwrap_or_default())?;
    Ok(Answer::ok(page(app.domain.group_page(&who, group_id(&group)?, from).await?)))
}

pub(crate) async fn invited(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(public_key): InPath,
    RawQuery(query): RawQuery,
) -> Answered<body::GroupPage> {
    let query = query.unwrap_or_default();
    // 64 hex digits, like a group id.
    let public_key = public_key.parse::<GroupId>();
    let public_key =
        public_key.map_err(|error| ApiError::bad_request(format!("invite key: {error}")))?.as_bytes().to_owned();
    let group = group_id(in_query(&query, "group").unwrap_or_default())?;
    let shown = app.domain.invite_page(&who, group, &public_key, from_revision(&query)?).await?;
    Ok(Answer::ok(page(shown)))
}

pub(crate) async fn devices(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(group): InPath,
    Body(body): Body<body::GroupAccounts>,
) -> Answered<body::GroupDevices> {
    let accounts = body.accounts.into_iter().map(account_id).collect::<Result<Vec<_>, _>>()?;
    let found = app.domain.group_devices(&who, group_id(&group)?, &accounts).await?;
    let account = |found: domain::AccountDevices| body::AccountDevices {
        username: found.username.into(),
        list: convert::signed_list(found.list),
    };
    Ok(Answer::ok(body::GroupDevices { accounts: found.into_iter().map(account).collect() }))
}

pub(crate) async fn take_prekeys(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(group): InPath,
    Body(body): Body<body::GroupTakePreKeys>,
) -> Answered<body::GroupPreKeys> {
    let member = |member: body::MemberDevices| {
        let devices = member.devices.into_iter().take(128).map(device_id).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, ApiError>(domain::MemberDevices { account: account_id(member.account)?, devices })
    };
    let members = body.members.into_iter().map(member).collect::<Result<Vec<_>, _>>()?;
    let taken = app.domain.group_prekeys(&who, group_id(&group)?, &members).await?;
    let bundles = |taken: domain::TakenBundles| body::PreKeyBundles {
        list: convert::signed_list(taken.list),
        bundles: taken.bundles.into_iter().map(convert::bundle).collect(),
    };
    Ok(Answer::ok(body::GroupPreKeys { members: taken.into_iter().map(bundles).collect() }))
}

pub(crate) async fn marks(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(group): InPath,
) -> Answered<body::GroupMarks> {
    let marks = app.domain.group_marks(&who, group_id(&group)?).await?;
    let step = |step: domain::Step| body::GroupStep { message_id: step.up_to.to_string(), at_ms: ms(step.at) };
    let mark = |mark: domain::GroupMark| body::GroupMark {
        member: mark.member,
        delivered: mark.delivered.map(step),
        read: mark.read.map(step),
    };
    Ok(Answer::ok(body::GroupMarks { marks: marks.into_iter().map(mark).collect() }))
}
