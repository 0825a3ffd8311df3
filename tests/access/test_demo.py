"""The demo: sees everything, manages nothing, keeps made-up patients in a folder of its own."""

import pytest

from medcore.access import Action, Page, Resource, allowed_pages, authorize
from medcore.access.demo import DEMO_NOTICE, make_demo_actor, refuse_real_patient, settle_demo
from medcore.config import read_settings
from medcore.errors import AccessDeniedError
from medcore.services.house import build_house


def test_the_demo_actor_sees_every_page_and_is_flagged():
    actor = make_demo_actor()
    assert allowed_pages(actor) == tuple(Page)
    assert actor.demo
    assert actor.name == "demo"


@pytest.mark.parametrize("resource", Resource, ids=str)
def test_the_demo_manages_nothing(resource):
    with pytest.raises(AccessDeniedError):
        authorize(make_demo_actor(), Action.MANAGE, resource)


def test_the_demo_keeps_made_up_patients_only(site):
    refuse_real_patient(make_demo_actor(), made_up=True)
    with pytest.raises(AccessDeniedError, match="made-up patients only"):
        refuse_real_patient(make_demo_actor(), made_up=False)
    site.add("ada")
    refuse_real_patient(site.sessions.check(site.enter("ada")), made_up=False)
    assert "made-up" in DEMO_NOTICE


def test_the_data_of_a_demo_lies_apart(tmp_path):
    plain = read_settings({"MEDCORE_DATA": str(tmp_path)})
    demo = read_settings({"MEDCORE_DATA": str(tmp_path), "MEDCORE_DEMO": "on"})
    assert settle_demo(plain) == plain
    assert settle_demo(demo).data_dir == tmp_path / "demo"


def test_the_dashboard_of_a_demo_acts_as_demo_in_its_own_folder(tmp_path):
    house = build_house(read_settings({"MEDCORE_DATA": str(tmp_path), "MEDCORE_DEMO": "on"}))
    assert house.actor.name == "demo"
    assert house.settings.data_dir == tmp_path / "demo"
    assert build_house(read_settings({"MEDCORE_DATA": str(tmp_path)})).actor.name.startswith("local:")
