import fake_films
import fake_models

from medcore.errors import IntegrityError
from medcore.services.house import DefaultChoice
from medcore.ui import card


def test_lists_every_model_with_intervals_version_and_hash(open_page, read):
    test = open_page("governance/models")
    html = read(test)
    assert not test.exception
    assert "Made-up logistic" in html
    assert "Made-up mlp" in html
    assert "used on the Risk page" in html
    assert "0.812<small>0.790–0.830</small>" in html
    assert fake_models.SHA in html
    assert "1.2" in html


def test_shows_the_card_of_the_chosen_model(open_page, read):
    test = open_page("governance/models")
    assert any("## Purpose" in item.value for item in test.markdown)
    test.selectbox(key="card_diabetes").set_value("diabetes-mlp").run()
    assert not test.exception
    assert "diabetes-mlp" in read(test)


def test_says_which_model_is_used_and_why(open_page, read):
    html = read(open_page("governance/models"))
    assert "Used on the Risk page: <b>Made-up logistic</b>" in html
    assert "no more than 0.02 worse than the highest (Made-up mlp)" in html
    assert "lowest Brier score (0.1234)" in html
    assert "Also not shown to be worse: Made-up mlp." in html
    assert "has changed since" not in html


def test_says_when_the_choice_does_not_fit_the_bundles():
    models = fake_models.FakeCatalog().models("diabetes")
    choice = DefaultChoice(model=models[0].model_id, sha256="f" * 64)
    assert "has changed since this was decided" in card.render_choice(models, choice)
    assert "is not usable" in card.render_choice(models, DefaultChoice(model="diabetes-gone"))
    assert "nothing was written" in card.render_choice(models, None)


def test_names_refused_bundles_and_serves_the_others(open_page, read):
    catalog = fake_models.FakeCatalog(problems={"broken": IntegrityError("model.keras is not the released file")})
    html = read(open_page("governance/models", catalog=catalog))
    assert "broken: model.keras is not the released file" in html
    assert "Made-up logistic" in html


def test_says_when_there_is_no_model(open_page, read):
    assert "no usable model" in read(open_page("governance/models", catalog=fake_models.FakeCatalog(empty=True)))


def test_models_of_films_are_those_of_the_x_ray_page(open_page, read):
    class Catalog(fake_models.FakeCatalog):
        def models(self, condition=None):
            return (fake_films.FACTS,) if condition == "pneumonia" else super().models(condition)

        def choice(self, condition):
            return None

    test = open_page("governance/models", condition="pneumonia", catalog=Catalog())
    assert not test.exception
    assert test.selectbox(key="condition").value == "pneumonia"
    html = read(test)
    assert "used on the X-ray page" in html
    assert "Used on the X-ray page: <b>Made-up film model</b>" in html
    assert "1000 films" in html
    assert "Risk page" not in html


def test_the_risk_page_offers_no_question_about_films(open_page):
    test = open_page("clinical/risk", condition="pneumonia")
    assert "pneumonia" not in str(test.selectbox(key="condition").options).lower()
    assert test.selectbox(key="condition").value == "diabetes"
