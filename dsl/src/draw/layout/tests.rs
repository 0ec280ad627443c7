//! Nothing overlaps, and nothing is drawn through a box.

use super::size::{mono, title_width};
use super::*;
use crate::draw::model;
use crate::draw::tests::{shop, two_flows};

fn check(drawing: &Drawing) {
    let scene = scene(drawing);
    boxes_are_apart(drawing, &scene);
    lines_keep_out_of_boxes(&scene);
    labels_are_free(drawing, &scene);
}

fn boxes_are_apart(drawing: &Drawing, scene: &Scene) {
    for (a, rect) in scene.boxes.iter().enumerate() {
        assert!(rect.x >= 0.0 && rect.right() <= scene.width && rect.bottom() <= scene.height);
        for (b, other) in scene.boxes.iter().enumerate().skip(a + 1) {
            let names = (&drawing.nodes[a].id, &drawing.nodes[b].id);
            assert!(!rect.meets(other), "{names:?} overlap");
        }
        for (at, cluster) in scene.clusters.iter().enumerate() {
            let inside = drawing.nodes[a].cluster == Some(at);
            assert_eq!(rect.meets(&cluster.rect), inside, "{} and flow {at}", drawing.nodes[a].id);
        }
    }
}

/// A line may touch the boxes it joins, at their outline.
fn lines_keep_out_of_boxes(scene: &Scene) {
    for line in &scene.lines {
        for point in line.path.points() {
            assert!(point.x > 0.0 && point.x < scene.width && point.y > 50.0);
            assert!(point.y < scene.height, "a line leaves the picture: {}", line.path);
            for (node, rect) in scene.boxes.iter().enumerate() {
                let (x, y) = (rect.x + 2.0, rect.y + 2.0);
                let within = Rect { x, y, w: rect.w - 4.0, h: rect.h - 4.0 };
                let hit = Rect { x: point.x, y: point.y, w: 0.1, h: 0.1 }.meets(&within);
                assert!(!hit, "a line runs through box {node}: {}", line.path);
            }
        }
    }
}

fn labels_are_free(drawing: &Drawing, scene: &Scene) {
    let titles = drawing.clusters.iter().zip(&scene.clusters).map(|(cluster, place)| Rect {
        x: place.title.x,
        y: place.title.y - 10.0,
        w: title_width(cluster),
        h: 12.0,
    });
    let titles: Vec<Rect> = titles.collect();
    let rects: Vec<Rect> = scene
        .labels
        .iter()
        .map(|l| Rect { x: l.at.x, y: l.at.y - 9.0, w: mono(&l.text, LABEL_FONT), h: 11.0 })
        .collect();
    for (a, rect) in rects.iter().enumerate() {
        assert!(rect.right() <= scene.width, "{} is cut off", scene.labels[a].text);
        assert!(
            !titles.iter().any(|title| title.meets(rect)),
            "{} on a title",
            scene.labels[a].text
        );
        for (b, other) in rects.iter().enumerate().skip(a + 1) {
            let texts = (&scene.labels[a].text, &scene.labels[b].text);
            assert!(!rect.meets(other), "the labels {texts:?} overlap");
        }
        for (node, other) in scene.boxes.iter().enumerate() {
            assert!(!rect.meets(other), "{} lies on box {node}", scene.labels[a].text);
        }
    }
}

#[test]
fn nothing_overlaps_in_two_flows() {
    check(&model::drawing(&two_flows()));
}

#[test]
fn nothing_overlaps_in_the_reference_pipeline() {
    check(&model::drawing(&shop()));
}

#[test]
fn nothing_overlaps_in_drawings_made_by_chance() {
    for seed in 0..200 {
        let drawing = super::random::drawing(seed);
        let found = std::panic::catch_unwind(|| check(&drawing));
        assert!(found.is_ok(), "the drawing of seed {seed}");
    }
}
