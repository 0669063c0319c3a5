use proptest::prelude::*;
use serde_json::json;

use super::*;
use arbitrary_json::{any_json, mutated, repeatable};

/// The samples of SIGNL4's documents, and what each says.
const ACKNOWLEDGED: &str = r#"{"eventType":201,"eventRaisedUtc":"2017-09-01T08:11:37.4815663Z","subscription":{"id":"0acf8014-22f2-4503-88d7-f7d05b46744f"},"user":{"username":"Rene","mailaddress":"rene@signl4.com","id":"f0bd5063-9588-51cf-b3d9-94e5647dedc5"},"alert":{"statusCode":2,"eventId":"2518783235949759942_fbc7b4a4-badd-47b8-9e1d-702fb6a1a0b2","externalEventId":"Content you passed in the X-S4-ExternalID parameter","acknowledgedUserIds":["f0bd5063-9588-51cf-b3d9-94e5647dedc5"],"id":"2518981069381242800_2ab1b5e0-f1b7-4c3e-9adf-6c157eeb4685"},"id":"dd209a2d-e037-41ee-b37d-f605cc0a39fb"}"#;
const ANNOTATED: &str = r#"{"eventType":203,"eventRaisedUtc":"2018-04-17T15:00:32Z","subscription":{"id":"1578ebd9-0a27-44ab-bc8e-52cd7d32e81d"},"user":{"username":"Rene","mailaddress":"rene@signl4.com","id":"f0bd5063-9588-51cf-b3d9-94e5647dedc5"},"alert":{"statusCode":0,"eventId":"2518783235949759942_fbc7b4a4-badd-47b8-9e1d-702fb6a1a0b2","externalEventId":"GENERAL","id":"2518783235958846071_4e2dfab2-4717-42bc-8d37-8682402309c2"},"annotation":{"message":"OK, I'll take care about it.","id":"2518783235661483318_99ebffe0-1b90-40ef-990a-fbd842484761"},"id":"141c0f88-7831-4d5e-b055-f6e83c269770"}"#;
const ESCALATED: &str = r#"{"eventType":202,"eventRaisedUtc":"2020-01-10T12:27:19Z","subscription":{"id":"b8fdd850-e2ad-45ff-924d-9c332a063200"},"team":{"id":"0e8979f7-0c6a-472d-8918-ecfd339252f8"},"alert":{"statusCode":1,"eventId":"2518236416806594587_0e67b746-6c88-4ddf-8872-99690b0457d9","externalEventId":"INC091210","acknowledgedUserIds":[],"id":"2518236416804564453_12ea0f6f-948c-43d0-9034-f9565d7b6bd2"},"id":"27283793-47c8-4da2-9767-d37be224338d"}"#;
const RAISED: &str = r#"{"eventType":200,"eventRaisedUtc":"2017-09-01T08:11:37.4815663Z","subscription":{"id":"0acf8014-22f2-4503-88d7-f7d05b46744f"},"alert":{"statusCode":1,"eventId":"2518783235949759942_fbc7b4a4-badd-47b8-9e1d-702fb6a1a0b2","externalEventId":"INC091210","id":"2518981069381242800_2ab1b5e0-f1b7-4c3e-9adf-6c157eeb4685"},"id":"dd209a2d-e037-41ee-b37d-f605cc0a39fb"}"#;
const SAMPLES: [&str; 4] = [ACKNOWLEDGED, ANNOTATED, ESCALATED, RAISED];

fn parse(body: &Value) -> Notification {
    Notification::parse(body.to_string().as_bytes()).unwrap()
}

#[test]
fn the_documented_samples_read_as_what_they_are() {
    let read = SAMPLES.map(|sample| Notification::parse(sample.as_bytes()).unwrap());
    assert_eq!(
        read.each_ref().map(|notification| notification.event_kind),
        [EventKind::Acknowledged, EventKind::Annotated, EventKind::Escalated, EventKind::Raised]
    );
    let [acknowledged, annotated, escalated, raised] = read;
    assert_eq!(acknowledged.id.as_str(), "dd209a2d-e037-41ee-b37d-f605cc0a39fb");
    assert_eq!(acknowledged.event_type, 201);
    assert_eq!(acknowledged.user.as_deref(), Some("Rene"));
    assert_eq!(
        acknowledged.alert,
        Some(AlertRef {
            event_id: Some(EventId::new("2518783235949759942_fbc7b4a4-badd-47b8-9e1d-702fb6a1a0b2")),
            external_id: Some("Content you passed in the X-S4-ExternalID parameter".into()),
        })
    );
    assert_eq!(annotated.note.as_deref(), Some("OK, I'll take care about it."));
    assert_eq!((escalated.user, escalated.team), (None, None), "its team has an id and no name");
    assert_eq!((raised.user, raised.note), (None, None));
}

#[test]
fn every_event_type_and_status_has_its_meaning() {
    use EventKind::*;
    for (event_type, status, event_kind) in [
        (1, json!(null), Test),
        (200, json!(1), Raised),
        (201, json!(2), Acknowledged),
        // SIGNL4's documents say closed of 2 as well as of 4: it is 4.
        (201, json!(4), Closed),
        (201, json!(8), Unattended),
        (201, json!(16), Failed),
        (201, json!(32), Failed),
        (201, json!(1), Unknown),
        (201, json!(0), Unknown),
        (201, json!(-1), Unknown),
        (201, json!(null), Unknown),
        // Status codes are bits.
        (201, json!(1 | 2), Acknowledged),
        (201, json!(2 | 4), Closed),
        (201, json!(2 | 8), Acknowledged),
        (201, json!(2 | 4 | 16), Closed),
        (201, json!(4 | 8), Unattended),
        (201, json!(4 | 16), Failed),
        (201, json!(8 | 32), Failed),
        (201, json!(64 | 2), Acknowledged),
        (202, json!(1), Escalated),
        // The status of an annotation is none.
        (203, json!(0), Annotated),
        (203, json!(4), Annotated),
        (300, json!(null), Duty),
        (301, json!(null), Duty),
        (302, json!(null), Duty),
        (303, json!(null), Duty),
        (0, json!(2), Unknown),
        (204, json!(2), Unknown),
        (304, json!(2), Unknown),
        (-201, json!(2), Unknown),
    ] {
        let body = json!({"eventType": event_type, "alert": {"statusCode": status}});
        assert_eq!(parse(&body).event_kind, event_kind, "{body}");
    }
    assert_eq!(parse(&json!({"eventType": 201})).event_kind, Unknown);
}

#[test]
fn numbers_may_be_written_as_text_and_texts_as_numbers() {
    let body = json!({
        "id": 77, "eventType": "201",
        "alert": {"statusCode": " 4 ", "eventId": 2_518_783, "externalEventId": 4711},
    });
    let read = parse(&body);
    assert_eq!((read.event_type, read.event_kind, read.id.as_str()), (201, EventKind::Closed, "77"));
    assert_eq!(
        read.alert,
        Some(AlertRef { event_id: Some(EventId::new("2518783")), external_id: Some("4711".into()) })
    );
    assert_eq!(parse(&json!({"eventType": 201.0})).event_type, 201);
}

#[test]
fn a_user_is_shown_by_the_best_available_name() {
    let name = |user: Value| parse(&json!({"eventType": 201, "user": user})).user;
    let known = |name: &str| Some(name.to_owned());
    assert_eq!(
        name(json!({"displayname": "Rene K.", "username": "rene", "mailaddress": "r@x"})),
        known("Rene K.")
    );
    assert_eq!(name(json!({"displayname": "  ", "username": "rene", "mailaddress": "r@x"})), known("rene"));
    assert_eq!(name(json!({"displayname": null, "mailaddress": "r@x"})), known("r@x"));
    assert_eq!(name(json!("Rene")), known("Rene"));
    for nobody in [json!(null), json!({}), json!([]), json!(""), json!({"username": {}}), json!(true)] {
        assert_eq!(name(nobody.clone()), None, "{nobody}");
    }
}

#[test]
fn any_event_may_carry_a_note() {
    let note = |annotation: Value| {
        parse(&json!({"eventType": 201, "alert": {"statusCode": 2}, "annotation": annotation})).note
    };
    assert_eq!(note(json!({"message": " on my way\n"})).as_deref(), Some("on my way"));
    assert_eq!(note(json!("on my way")).as_deref(), Some("on my way"));
    for silence in [json!(null), json!({}), json!({"message": ""}), json!({"message": null}), json!([])] {
        assert_eq!(note(silence.clone()), None, "{silence}");
    }
}

#[test]
fn an_escalation_names_its_team_if_the_team_has_a_name() {
    let team = |team: Value| parse(&json!({"eventType": 202, "team": team})).team;
    assert_eq!(team(json!({"id": "t", "name": "Network"})).as_deref(), Some("Network"));
    assert_eq!(team(json!({"id": "t"})), None);
    assert_eq!(team(json!(null)), None);
}

#[test]
fn fields_that_are_null_missing_or_of_a_wrong_kind_are_no_error() {
    for odd in [json!(null), json!({}), json!([]), json!([1, {}]), json!(true), json!(1.5), json!("")] {
        let body = json!({"eventType": 201, "id": odd, "alert": odd, "annotation": odd, "team": odd});
        let read = parse(&body);
        assert_eq!((read.event_kind, read.team), (EventKind::Unknown, None), "{body}");
        let alert = json!({"statusCode": 2, "eventId": odd, "externalEventId": odd});
        assert_eq!(parse(&json!({"eventType": 201, "alert": alert})).event_kind, EventKind::Acknowledged);
    }
    assert_eq!(parse(&json!({"eventType": 202, "alert": null})).alert, None);
}

#[test]
fn a_repetition_without_an_id_is_still_the_same_notification() {
    let body = json!({"eventType": 201, "alert": {"statusCode": 2, "eventId": "e1"}});
    let other = json!({"eventType": 201, "alert": {"statusCode": 4, "eventId": "e1"}});
    assert_eq!(parse(&body).id, parse(&body).id);
    assert_ne!(parse(&body).id, parse(&other).id);
    assert!(parse(&body).id.as_str().starts_with("sha256-"));
}

#[test]
fn an_invalid_event_is_refused_with_the_reason() {
    for (body, reason) in [
        ("", "not JSON"),
        ("hello", "not JSON"),
        (r#"{"eventType":201"#, "not JSON"),
        ("eventType=201&id=1", "not JSON"),
        ("[]", "not an object"),
        ("201", "not an object"),
        ("null", "not an object"),
        ("{}", "eventType"),
        (r#"{"id":"1"}"#, "eventType"),
        (r#"{"eventType":null}"#, "eventType"),
        (r#"{"eventType":"soon"}"#, "eventType"),
        (r#"{"eventType":1.5}"#, "eventType"),
        (r#"{"eventType":1e300}"#, "eventType"),
        (r#"{"eventType":[201]}"#, "eventType"),
    ] {
        let error = Notification::parse(body.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{body}: {error}");
    }
    assert!(Notification::parse(&[0xff, 0xfe, 0x00]).is_err());
}

proptest! {
    #![proptest_config(repeatable(2_500))]

    #[test]
    fn random_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Notification::parse(&body);
    }

    #[test]
    fn random_json_is_an_event_only_with_a_type(body in any_json()) {
        let has_type = body.get("eventType").is_some();
        prop_assert!(has_type || Notification::parse(body.to_string().as_bytes()).is_err());
    }

    #[test]
    fn a_sample_with_a_byte_changed_or_cut_off_is_an_event_or_an_error(
        sample in prop::sample::select(SAMPLES.as_slice()), at in any::<prop::sample::Index>(),
        with in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut body = sample.as_bytes().to_vec();
        let at = at.index(body.len());
        body[at] = with;
        if cut {
            body.truncate(at);
        }
        if let Ok(notification) = Notification::parse(&body) {
            prop_assert!(!notification.id.as_str().is_empty());
        }
    }

    #[test]
    fn a_sample_with_anything_in_the_place_of_a_field_keeps_its_type_or_is_refused(
        sample in prop::sample::select(SAMPLES.as_slice()), at in any::<usize>(), with in any_json(),
    ) {
        let body: Value = serde_json::from_str(sample).unwrap();
        let (before, event_type) = (parse(&body), body["eventType"].clone());
        let body = mutated(body, at, &with);
        match Notification::parse(body.to_string().as_bytes()) {
            Ok(read) if body["eventType"] == event_type => prop_assert_eq!(read.event_type, before.event_type),
            Ok(_) => {}
            Err(_) => prop_assert!(body.get("eventType") != Some(&event_type)),
        }
    }
}
