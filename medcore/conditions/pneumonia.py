"""Pneumonia on the frontal chest film of a child of one to five years (Guangzhou, Kermany et al. 2018)."""

from __future__ import annotations

from medcore.conditions.condition import CardText, PrevalencePolicy
from medcore.conditions.film_condition import FilmClass, FilmCondition
from medcore.datasets.chest_films import load_chest_films
from medcore.imaging.quality import FilmLimits

__all__ = ["CONDITION"]


def _sentence(p: str, lo: str, hi: str, site: str, study: str) -> str:
    head = f"**Pneumonia pattern: {p}** ({_range(lo, hi)})"
    if site:
        return f"{head} at a site where {site} of 100 such films show it."
    mix = f"{study} of 100 with pneumonia"
    return f"{head} on the study's mix ({mix}), which overstates it elsewhere. Set your site's figure."


def _range(lo: str, hi: str) -> str:
    """Join two per cents: ``"71-91"``, ``"96 to > 99"``, one where both read the same."""
    ends = lo.removesuffix(" %"), hi.removesuffix(" %")
    if ends[0] == ends[1]:
        return ends[0]
    return ("-" if all(end.isdigit() for end in ends) else " to ").join(ends)


CONDITION = FilmCondition(
    id="pneumonia",
    title="Pneumonia on a child's chest film",
    outcome="the film was read as showing pneumonia",
    outcome_short="pneumonia",
    aliases=("chest_xray", "xray"),
    classes=(
        FilmClass(code=0, word="normal", label="No pneumonia pattern"),
        FilmClass(code=1, word="bacterial", label="Pneumonia, labelled bacterial"),
        FilmClass(code=2, word="viral", label="Pneumonia, labelled viral"),
    ),
    positive=("bacterial", "viral"),
    limits=FilmLimits(),
    sentence=_sentence,
    pattern_caption="Films cannot settle the cause; the labels of the training films were not cultures.",
    not_assessed=(
        "effusion",
        "pneumothorax",
        "heart size",
        "fractures",
        "foreign bodies",
        "masses and lymph nodes",
        "tubes and lines",
        "tuberculosis",
    ),
    foot_line="For children 1-5 years, frontal films. Not for primary diagnosis on an uncalibrated screen.",
    load_training=load_chest_films,
    prevalence=PrevalencePolicy(
        allowed=True,
        reason=(
            "Bayes' rule applies if films with (and without) pneumonia look alike in both places. A ward that films "
            "earlier, milder or other illness, or a machine that renders differently, breaks this."
        ),
    ),
    card=CardText(
        purpose=(
            "Second look at a child's frontal chest film for the pattern of pneumonia. The radiologist reads the film "
            "first and decides."
        ),
        population=(
            "Children of one to five years, frontal (AP) films taken as part of routine care, Guangzhou Women and "
            "Children's Medical Center, before 2018. Labels are film readings by two physicians, checked by a third "
            "for the test films; they are not cultures."
        ),
        not_for=(
            "Adults, infants under one year, lateral films, CT, photographs of films, telling bacteria from viruses, "
            "ruling out any other finding, follow-up of treatment, primary diagnosis without a radiologist."
        ),
        limits=(
            "One hospital, children only: nothing is known about other machines and other countries. Films were "
            "squashed to a square by the publisher of the copies used, so uploads are squashed the same way. Healthy "
            "and ill children were filmed at other sizes and aspect ratios; the check for this shortcut stands under "
            "other checks. No sex, exact age or machine is recorded, so it is unknown how the score differs between "
            "groups."
        ),
    ),
    facts_line="Kermany 2018, 5,856 children's films, one Chinese centre",
    references=(
        "Kermany DS, Goldbaum M, Cai W, et al. Identifying medical diagnoses and treatable diseases by image-based "
        "deep learning. Cell 2018;172:1122-1131. doi:10.1016/j.cell.2018.02.010",
        "Kermany D, Zhang K, Goldbaum M. Labeled optical coherence tomography (OCT) and chest X-ray images for "
        "classification. Mendeley Data 2018. doi:10.17632/rscbjbr9sj",
        "Zech JR, Badgeley MA, Liu M, et al. Variable generalization performance of a deep learning model to detect "
        "pneumonia in chest radiographs. PLoS Med 2018;15:e1002683. doi:10.1371/journal.pmed.1002683",
    ),
)
