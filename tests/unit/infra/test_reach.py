"""Which database an installation's settings mean, and that its addresses never print their password."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbonledger.infra import postgres, reach, settings

OWNER = "postgresql://owner:hidden@db/cl"
APP = "postgresql://app:hidden@db/cl"


def configured(**values: object) -> settings.Settings:
    return settings.Settings(home=Path("/data"), **values)  # type: ignore[arg-type]  # the fields check the types


def test_without_an_address_the_embedded_server_is_meant() -> None:
    assert reach.given(configured()) is None


def test_with_the_owners_address_alone_the_service_enters_its_role() -> None:
    found = reach.given(configured(DATABASE_URL=OWNER))

    assert found == reach.Addresses(app=OWNER, app_role="carbonledger_app", owner_if_known=OWNER)


def test_with_both_addresses_the_service_logs_in_as_itself() -> None:
    found = reach.given(configured(DATABASE_URL=OWNER, app_database_url=APP))

    assert found == reach.Addresses(app=APP, app_role=None, owner_if_known=OWNER)


def test_the_services_address_alone_serves_but_knows_no_owner() -> None:
    found = reach.given(configured(app_database_url=APP))

    assert found is not None
    assert found.app == APP
    with pytest.raises(reach.OwnerUnknown, match="set DATABASE_URL for this command"):
        _ = found.owner


def test_an_address_is_not_printed() -> None:
    assert "hidden" not in repr(reach.given(configured(DATABASE_URL=OWNER, app_database_url=APP)))


def test_the_embedded_server_is_asked_for_as_the_settings_say() -> None:
    asked = reach.cluster_options(
        configured(postgres_settings="shared_buffers=128MB, work_mem = 8MB", postgres_listen="tcp", postgres_port=5544)
    )

    assert asked == postgres.ClusterOptions(
        data_dir=Path("/data/postgres"), listen="tcp", port=5544, settings={"shared_buffers": "128MB", "work_mem": "8MB"}
    )


def test_a_server_setting_without_a_value_is_named() -> None:
    with pytest.raises(settings.SettingsInvalid, match="'shared_buffers' has no value; write name=value"):
        reach.cluster_options(configured(postgres_settings="shared_buffers"))
